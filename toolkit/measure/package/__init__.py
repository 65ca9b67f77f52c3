# SPDX-License-Identifier: BSD-3-Clause
"""Measure a package on an emulated board.

speech.py   the call that the board plays, as a header in C
image.py    a program with the package, built for the board, and what it takes
figures.py  the costs of the public functions, for the package's README
"""
