# SPDX-License-Identifier: BSD-3-Clause
"""Readers of other people's weights, and of our own."""
