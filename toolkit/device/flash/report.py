# SPDX-License-Identifier: BSD-3-Clause
"""What writing an image found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FlashReport:
    """Bytes written by section, the time that it took, and who compared them with the image.

    `compared` is "equal" where every byte was read back here, "by the tool" where the tool did
    that, and "no" where nothing can be read back: there the hello of the firmware is the proof.
    """

    sections: dict[str, int]
    bytes: int
    seconds: float
    compared: str = "equal"
