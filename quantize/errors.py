# SPDX-License-Identifier: BSD-3-Clause
"""The one error that the arithmetic side raises for bad input."""


class InputError(ValueError):
    """Bad input: says in one line what is wrong, where, and what to do about it."""
