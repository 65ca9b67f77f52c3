# SPDX-License-Identifier: BSD-3-Clause
"""Real Opus packets of 24 kinds, and a second opinion on packets: the system's libopus."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from ctypes.util import find_library
from dataclasses import dataclass
from typing import Any, Final

import cffi
import numpy as np
import numpy.typing as npt
import pytest

from quantize.packet.opus_packet import UNITS_MAX
from toolkit.models.quantise import CLIP
from toolkit.speech.audio import read_speech

RATE: Final = 48000
UNIT: Final = 120  # samples in 2.5 ms
SECONDS: Final = 1.2
ROOM: Final = 9000  # bytes for a packet: 6 frames of 1275 bytes and their head
SILK, HYBRID, CELT = 1000, 1001, 1002  # libopus' MODE_*
NARROW, MEDIUM, WIDE, SUPER_WIDE, FULL = range(1101, 1106)  # OPUS_BANDWIDTH_*
_VOIP = 2048
_SET_MODE = 11002  # OPUS_SET_FORCE_MODE, which every libopus has though opus_defines.h lacks it
_SET_BITRATE, _SET_VBR, _SET_BANDWIDTH, _SET_FEC = 4002, 4006, 4008, 4012
_SET_LOSS, _SET_DTX = 4014, 4016


@dataclass(frozen=True)
class Kind:
    """How an encoder is set; `units` is the length of a packet in units of 2.5 ms."""

    mode: int
    bandwidth: int
    units: int
    bitrate: int
    channels: int = 1
    vbr: bool = True
    fec: bool = False
    dtx: bool = False


KINDS: Final[dict[str, Kind]] = {
    "silk-10-narrow": Kind(SILK, NARROW, 4, 12000),
    "silk-20-wide-cbr": Kind(SILK, WIDE, 8, 20000, vbr=False),
    "silk-20-lbrr": Kind(SILK, WIDE, 8, 24000, fec=True),
    "silk-20-dtx": Kind(SILK, WIDE, 8, 16000, dtx=True),
    "silk-20-stereo": Kind(SILK, WIDE, 8, 40000, channels=2),
    "silk-40-medium": Kind(SILK, MEDIUM, 16, 16000),
    "silk-60": Kind(SILK, WIDE, 24, 20000),
    "silk-80": Kind(SILK, WIDE, 32, 20000),
    "silk-100": Kind(SILK, WIDE, 40, 20000),
    "silk-120-lbrr": Kind(SILK, WIDE, 48, 24000, fec=True),
    "silk-120-cbr": Kind(SILK, WIDE, 48, 20000, vbr=False),
    "hybrid-10": Kind(HYBRID, SUPER_WIDE, 4, 32000),
    "hybrid-20-lbrr": Kind(HYBRID, FULL, 8, 32000, fec=True),
    "hybrid-40": Kind(HYBRID, FULL, 16, 32000),
    "hybrid-60-stereo": Kind(HYBRID, FULL, 24, 48000, channels=2),
    "hybrid-120-cbr": Kind(HYBRID, FULL, 48, 32000, vbr=False),
    "celt-2.5": Kind(CELT, WIDE, 1, 64000),
    "celt-2.5-stereo-cbr": Kind(CELT, FULL, 1, 96000, channels=2, vbr=False),
    "celt-5": Kind(CELT, FULL, 2, 64000),
    "celt-10-cbr": Kind(CELT, SUPER_WIDE, 4, 64000, vbr=False),
    "celt-20-stereo": Kind(CELT, FULL, 8, 160000, channels=2),
    "celt-40-cbr": Kind(CELT, FULL, 16, 64000, vbr=False),
    "celt-80-stereo": Kind(CELT, FULL, 32, 510000, channels=2),
    "celt-120": Kind(CELT, FULL, 48, 64000),
}


_CDEF = """
void *opus_encoder_create(int32_t rate, int channels, int application, int *error);
int opus_encoder_ctl(void *encoder, int request, ...);
int32_t opus_encode(void *encoder, const int16_t *pcm, int samples, uint8_t *data, int32_t room);
void opus_encoder_destroy(void *encoder);
void *opus_decoder_create(int32_t rate, int channels, int *error);
int opus_decode(void *decoder, const uint8_t *data, int32_t bytes, int16_t *pcm, int room, int fec);
void opus_decoder_destroy(void *decoder);
int opus_packet_parse(const uint8_t *data, int32_t bytes, uint8_t *toc, const uint8_t *frames[48],
                      int16_t sizes[48], int *payload_offset);
int opus_packet_get_nb_frames(const uint8_t *data, int32_t bytes);
int opus_packet_get_nb_samples(const uint8_t *data, int32_t bytes, int32_t rate);
int opus_packet_pad(uint8_t *data, int32_t bytes, int32_t wanted);
int32_t opus_packet_unpad(uint8_t *data, int32_t bytes);
"""


class LibOpus:
    """The calls of libopus that tests need, on Python values."""

    def __init__(self) -> None:
        name = find_library("opus")
        if name is None:
            pytest.skip("no libopus: apt-get install libopus0")
        self.ffi = cffi.FFI()
        self.ffi.cdef(_CDEF)
        self.lib: Any = self.ffi.dlopen(name)

    def encode(self, pcm: npt.NDArray[np.int16], kind: Kind) -> list[bytes]:
        """Encode samples [n, channels] at 48 kHz; a rest that fills no packet is dropped."""
        state = self.lib.opus_encoder_create(RATE, kind.channels, _VOIP, self.ffi.NULL)
        assert state
        settings = {
            _SET_MODE: kind.mode, _SET_BANDWIDTH: kind.bandwidth, _SET_BITRATE: kind.bitrate,
            _SET_VBR: int(kind.vbr), _SET_FEC: int(kind.fec), _SET_LOSS: 20 * kind.fec,
            _SET_DTX: int(kind.dtx),
        }  # fmt: skip
        for request, value in settings.items():
            assert self.lib.opus_encoder_ctl(state, request, self.ffi.cast("int", value)) == 0
        size, packets = kind.units * UNIT, []
        room = self.ffi.new("uint8_t[]", ROOM)
        for at in range(0, len(pcm) - size + 1, size):
            samples = self.ffi.from_buffer("int16_t[]", pcm[at : at + size].tobytes())
            length = self.lib.opus_encode(state, samples, size, room, ROOM)
            assert length > 0
            packets.append(bytes(self.ffi.buffer(room, length)))
        self.lib.opus_encoder_destroy(state)
        return packets

    def decode(self, packets: Sequence[bytes], *, fec: bool = False) -> npt.NDArray[np.int16]:
        """Decode packets in a row at 48 kHz; returns samples [n, 2].

        With `fec`, decode instead what each packet tells of the one before it.
        """
        state = self.lib.opus_decoder_create(RATE, 2, self.ffi.NULL)
        assert state
        pcm = []
        room = self.ffi.new("int16_t[]", UNITS_MAX * UNIT * 2)
        for packet in packets:
            most = self.units(packet) * UNIT if fec else UNITS_MAX * UNIT
            count = self.lib.opus_decode(state, packet, len(packet), room, most, int(fec))
            assert count > 0, packet.hex()
            pcm.append(bytes(self.ffi.buffer(room, 2 * count * 2)))
        self.lib.opus_decoder_destroy(state)
        return np.frombuffer(b"".join(pcm), np.int16).reshape(-1, 2)

    def parse(self, packet: bytes) -> tuple[bytes, ...] | None:
        """Return the packet's frames, or None if libopus refuses it."""
        frames = self.ffi.new("const uint8_t *[]", UNITS_MAX)
        sizes = self.ffi.new("int16_t[]", UNITS_MAX)
        held = self.ffi.new("uint8_t[]", packet or b"\0")
        null = self.ffi.NULL
        count = self.lib.opus_packet_parse(held, len(packet), null, frames, sizes, null)
        if count <= 0:
            return None
        return tuple(bytes(self.ffi.buffer(frames[i], sizes[i])) for i in range(count))

    def frame_count(self, packet: bytes) -> int:
        return int(self.lib.opus_packet_get_nb_frames(packet, len(packet)))

    def units(self, packet: bytes) -> int:
        """Return the packet's length in units of 2.5 ms, as libopus sees it."""
        return int(self.lib.opus_packet_get_nb_samples(packet, len(packet), RATE)) // UNIT

    def pad(self, packet: bytes, size: int) -> bytes:
        """Return the packet with plain padding up to `size` bytes."""
        held = self.ffi.new("uint8_t[]", packet + bytes(size - len(packet)))
        assert self.lib.opus_packet_pad(held, len(packet), size) == 0
        return bytes(self.ffi.buffer(held, size))

    def unpad(self, packet: bytes) -> bytes:
        """Return the packet without padding, with the shortest code."""
        held = self.ffi.new("uint8_t[]", packet)
        size = self.lib.opus_packet_unpad(held, len(packet))
        assert size > 0
        return bytes(self.ffi.buffer(held, size))


@functools.cache
def libopus() -> LibOpus:
    """Return libopus, loaded once."""
    return LibOpus()


@functools.cache
def speech() -> npt.NDArray[np.int16]:
    """Return speech and then silence, int16 [n, 2] at 48 kHz; the channels differ."""
    left = read_speech(CLIP, RATE)[: int(RATE * SECONDS)].copy()
    left[len(left) * 2 // 3 :] = 0
    return np.stack([left, np.roll(left, 300) // 2], axis=1)


@functools.cache
def real_packets(name: str) -> tuple[bytes, ...]:
    """Return the packets of one kind."""
    kind = KINDS[name]
    return tuple(libopus().encode(speech()[:, : kind.channels], kind))
