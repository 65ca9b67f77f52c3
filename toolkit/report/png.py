# SPDX-License-Identifier: BSD-3-Clause
"""Write tables of numbers as palette PNGs, without a plotting library."""

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE_COLOUR = 3


def png(pixels: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> bytes:
    """Encode palette indices [height, width] with RGBA colours [n, 4], n <= 256."""
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the byte in front of each row: no filter
    rows[:, 1:] = pixels
    head = struct.pack(">IIBBBBB", width, height, 8, _PALETTE_COLOUR, 0, 0, 0)
    return _SIGNATURE + b"".join(
        [
            _chunk(b"IHDR", head),
            _chunk(b"PLTE", palette[:, :3].tobytes()),
            _chunk(b"tRNS", palette[:, 3].tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def data_uri(pixels: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> str:
    """Return a PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png(pixels, palette)).decode()


def gradient(anchors: Sequence[str], levels: int) -> npt.NDArray[np.uint8]:
    """Return colours [levels, 4] between evenly spaced anchors, each rrggbb or rrggbbaa in hex."""
    colours = np.array([list(bytes.fromhex(a.ljust(8, "f"))) for a in anchors], np.float64)
    at = np.linspace(0, len(anchors) - 1, levels)
    channels = [np.interp(at, np.arange(len(anchors)), colours[:, c]) for c in range(4)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
