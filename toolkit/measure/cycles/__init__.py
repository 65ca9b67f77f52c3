# SPDX-License-Identifier: BSD-3-Clause
"""Estimate the cycles of a step, from what QEMU ran and a model of the core.

`plugin` compiles a plugin for the QEMU found. With it `counter` lets QEMU count how often each
block of code runs in each step. `code` reads the blocks' instructions from the image. `m4` and
`mca` give the cycles of a block; `models` says which of the two serves a core, and what errors it
can make. `estimate` puts all together.
"""
