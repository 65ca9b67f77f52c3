# SPDX-License-Identifier: BSD-3-Clause
"""Opus packets with extensions, sound ones and damaged ones, drawn at random from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

from quantize.packet.extension import DRAFTS, LIBOPUS_1_6, Framing
from quantize.packet.opus_packet import FRAME_MAX, UNITS_MAX, Packet
from tests.support.packet_native import Case

# Bytes that mean something at some place: heads of extensions, flags, ends of lengths.
_TELLING: Final = (0, 1, 2, 3, 4, 5, 6, 7, 12, 64, 65, 68, 127, 128, 192, 251, 252, 253, 254, 255)
_SMALL: Final = (0, 1, 2, 3, 10, 60)
_SIZES: Final = (*_SMALL, *_SMALL, 250, 251, 252, 253, 255, 256, 700, FRAME_MAX, FRAME_MAX + 1)
_PAYLOADS: Final = (0, 1, 2, 50, 120, 250, 251, 252, 253, 254, 255, 256, 508, 760, 1000, 1001)
_FRAMINGS: Final[tuple[tuple[Framing, ...], ...]] = (
    (LIBOPUS_1_6, DRAFTS),
    (DRAFTS, LIBOPUS_1_6),
    (LIBOPUS_1_6,),
    (LIBOPUS_1_6, Framing(126, b"D\x0a")),
    (Framing(126, b""),),
    (Framing(127, b"8 bytes!"), Framing(33, b"x")),
)


def _length(size: int) -> bytes:
    size = min(size, FRAME_MAX)  # a longer one cannot be written; the next frame takes the rest
    return bytes([size]) if size < 252 else bytes([252 + size % 4, (size - 252 - size % 4) // 4])


def _padding_length(rng: random.Random, size: int) -> bytes:
    """Return one of the ways to write the padding's length."""
    longs = rng.choice((size // 254, (max(size, 1) - 1) // 254))
    rest = size - 254 * longs
    return b"\xff" * longs + bytes([rest]) if rest < 255 else b"\xff" * (longs + 1) + b"\x00"


def _extension_data(rng: random.Random) -> bytes:
    size = rng.choice((0, 1, 2, 3, 9, 254, 255, 256, 600))
    return rng.choice((b"", b"D\x0c", b"D\x0a", b"D")) + rng.randbytes(size)


def _with_length(data: bytes) -> bytes:
    return b"\xff" * (len(data) // 255) + bytes([len(data) % 255]) + data


def padding(rng: random.Random, frames: int) -> bytes:
    """Return extensions, mostly sound: plain padding, separators and repeats between them."""
    out, frame = b"", 0
    run: list[int] = []
    for _ in range(rng.randrange(7)):
        token = rng.randrange(11)
        if token == 0:
            out += b"\x01" * rng.randrange(3)
        elif token == 1:
            step = rng.choice((0, 1, 1, 2))
            out += b"\x02" if step == 1 and rng.random() < 0.5 else bytes([3, step])
            frame, run = frame + step, run if step == 0 else []
        elif token == 2:
            out += b"\x05"
            for _ in range(frame + 1, frames):
                for number in run:
                    out += (
                        _with_length(_extension_data(rng)) if number >= 32 else b"s" * (number % 2)
                    )
            run = []
        elif token < 6:
            number = rng.randrange(3, 32)  # odd ones have a byte of data, to tell them in `run`
            count = rng.choice((1, 1, 1, 1, 1, 60, 70))  # up to 64 with data are repeated
            out += (bytes([number << 1 | number % 2]) + b"s" * (number % 2)) * count
            run += [number] * count
        else:
            number = rng.choice((32, 33, 126, 126, 127))
            out += bytes([number << 1 | 1]) + _with_length(_extension_data(rng))
            run.append(number)
    ends = (b"", b"", b"\x00\x00junk", b"\xfcD\x0clast", b"\x40last", b"\x04" + rng.randbytes(40))
    return out + rng.choice(ends)


def packet(rng: random.Random) -> bytes:
    """Return a packet of any code, now and then with more audio or bytes than allowed."""
    code = rng.choice((0, 1, 2, 3, 3, 3, 3, 3, 3))
    count = {0: 1, 1: 2, 2: 2}.get(code) or rng.choice((1, 2, 2, 3, 3, 6, 12, 48))
    configs = [i for i in range(32) if Packet(i << 3, (b"",) * count).units <= UNITS_MAX]
    toc = (rng.choice(configs) if rng.random() < 0.95 else rng.randrange(32)) << 3
    toc |= rng.choice((0, 4))
    sizes = [rng.choice(_SMALL if count > 3 else _SIZES) for _ in range(count)]
    is_vbr = code == 2 or (code == 3 and rng.random() < 0.5)
    if not is_vbr or rng.random() < 0.3:
        sizes = sizes[:1] * count
    frames = b"".join(rng.randbytes(size) for size in sizes)
    lengths = b"".join(map(_length, sizes[:-1])) if is_vbr else b""
    if code != 3:
        return bytes([toc | code]) + lengths + frames
    tail, flags = b"", 0x80 if is_vbr else 0
    head = b""
    if rng.random() < 0.85:
        tail, flags = padding(rng, count), flags | 0x40
        head = _padding_length(rng, len(tail))
    return bytes([toc | 3, flags | count]) + head + lengths + frames + tail


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Return the data with one to three bytes or spans changed."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        # Heads and extensions decide more than the frames between them.
        at = min(rng.choice((rng.randrange(6), rng.randrange(len(out) + 1))), len(out))
        kind = rng.randrange(6)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = rng.choice(_TELLING)
        elif kind == 2:
            del out[at : at + rng.choice((1, 1, 2, 10))]
        elif kind == 3:
            out[at:at] = bytes([rng.choice(_TELLING)])
        elif kind == 4:
            del out[rng.randrange(len(out) + 1) :]
        else:
            out[at:at] = out[at : at + rng.randrange(20)]
    return bytes(out)


def cases(seed: int, count: int, real: Sequence[bytes] = ()) -> Iterator[Case]:
    """Yield `count` cases: drawn packets and, with extensions added, some of the `real` ones."""
    rng = random.Random(seed)
    for _ in range(count):
        data = packet(rng)
        if real and rng.random() < 0.3:
            parts = Packet.parse(rng.choice(real))
            data = Packet(parts.toc, parts.frames, padding(rng, len(parts.frames))).build()
        if rng.random() < 0.5:
            data = damaged(rng, data)
        payload = rng.randbytes(rng.choice(_PAYLOADS))
        room = rng.choice((0, *(len(payload) + rng.randrange(20) for _ in range(3))))
        yield Case(data, payload, len(data) + room, rng.choice(_FRAMINGS))
