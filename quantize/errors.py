# SPDX-License-Identifier: BSD-3-Clause
"""The errors that quantize/ raises: InputError for bad input, PayloadError for bad payloads."""


class InputError(ValueError):
    """Bad input. The message says in one line what is wrong, where, and what to do about it."""


class PayloadError(InputError):
    """A malformed DRED payload; `status` is the firmware's number for the error (dk_status)."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status
