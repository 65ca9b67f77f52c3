# SPDX-License-Identifier: BSD-3-Clause
"""The error that the arithmetic side raises for bad input, and its kind for payloads."""


class InputError(ValueError):
    """Bad input: says in one line what is wrong, where, and what to do about it."""


class PayloadError(InputError):
    """A DRED payload that is none; `status` is what the firmware calls it (dk_status)."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status
