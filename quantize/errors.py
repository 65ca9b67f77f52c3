# SPDX-License-Identifier: BSD-3-Clause
"""The errors that quantize/ raises: InputError for bad input, and two kinds with a number."""


class InputError(ValueError):
    """Bad input. The message says in one line what is wrong, where, and what to do about it."""


class _StatusError(InputError):
    """Bad input to the firmware too; `status` is the firmware's number for it (dk_status)."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class PayloadError(_StatusError):
    """A malformed DRED payload."""


class PacketError(_StatusError):
    """A malformed Opus packet, or one that takes no further extension."""
