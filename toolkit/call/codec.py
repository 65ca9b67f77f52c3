# SPDX-License-Identifier: BSD-3-Clause
"""The base codec: the system's libopus, any version, through opuslib-next."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from toolkit.call.bitfile import Record
from toolkit.common.errors import InputError, ToolError
from toolkit.speech.audio import Pcm

RATE: Final = 16000
FRAME: Final = 320  # 20 ms
AGAIN: Final = 6  # packets between two gaps, at most, for the second one to begin with a repetition
BITRATE_MIN, BITRATE_MAX = 6000, 510_000


def _binding() -> Any:
    """Load libopus only when it is used, so that no other command needs it."""
    try:
        import opuslib_next
    except ImportError as error:
        raise ToolError("opuslib-next is missing: `dredkit doctor` shows the remedy") from error
    except Exception as error:  # what the package raises if it finds no library
        raise ToolError(f"{error} (apt-get install libopus0)") from error
    return opuslib_next


def opus_version() -> str:
    """Return the name and version of the base codec, as it tells them."""
    _binding()
    info = importlib.import_module("opuslib_next.api.info")
    return str(info.get_version_string().decode())


def encode_speech(
    pcm: Pcm, bitrates: list[int], loss: int, samples: int = FRAME, lbrr: bool = False
) -> list[Record]:
    """Encode packets with libopus, VBR, tuned for speech, mono at 16 kHz.

    Args:
        pcm: int16 at 16 kHz; only whole packets are encoded.
        bitrates: bit/s of each packet, 6000..510000.
        loss: percent that the encoder is told to expect.
        samples: of a packet, 160 (10 ms), 320, 640 or 960 (60 ms).
        lbrr: whether packets also carry the speech of the packet before at a low rate.

    Raises:
        ToolError: no libopus, or no binding.
    """
    opus = _binding()
    if not all(BITRATE_MIN <= rate <= BITRATE_MAX for rate in bitrates):
        raise InputError(f"Opus takes {BITRATE_MIN}..{BITRATE_MAX} bit/s")
    encoder = opus.Encoder(RATE, 1, opus.APPLICATION_VOIP)
    encoder.packet_loss_perc = loss
    if lbrr:
        encoder.inband_fec = 1
    records = []
    for i, bitrate in enumerate(bitrates):
        encoder.bitrate = bitrate
        frame = np.ascontiguousarray(pcm[i * samples : (i + 1) * samples], dtype="<i2")
        packet = bytes(encoder.encode(frame.tobytes(), samples))
        records.append(Record(packet, int(encoder.final_range) & 0xFFFFFFFF))
    return records


def decode_speech(records: list[Record]) -> Pcm:
    """Decode packets with the system's libopus to int16 at 16 kHz; conceal lost ones."""
    opus = _binding()
    decoder = opus.Decoder(RATE, 1)
    frames: list[npt.NDArray[np.int16]] = []
    for record in records:
        # An empty packet asks the decoder to conceal 20 ms.
        data = decoder.decode(record.packet, FRAME)
        frames.append(np.frombuffer(data, "<i2"))
    return np.concatenate(frames)


def repeats(lost: Sequence[bool], recovers: Sequence[bool]) -> list[bool]:
    """Return in place of which lost packets the one before is decoded again.

    That is the first one of a gap, if it is not recovered and 1 to 6 packets came since the gap
    before: libopus' concealment leaves the decoder's history too quiet, which adds up where gaps
    lie close together. A packet that was recovered counts as one of a gap.
    """
    found, came = [], AGAIN + 1
    for i, gone in enumerate(lost):
        found.append(gone and not recovers[i] and 1 <= came <= AGAIN)
        came = 0 if gone else came + 1
    return found


def decode_stream(
    records: Sequence[Record],
    lost: Sequence[bool],
    recovers: Sequence[bool],
    samples: int,
    again: Sequence[bool] = (),
) -> Pcm:
    """Decode packets of `samples` at 16 kHz each: int16 [packets, samples].

    Of a lost packet libopus conceals the time, or recovers it from the LBRR of the next packet
    where `recovers` says so, or decodes the packet before once more where `again` says so. Raises
    InputError for a packet that libopus refuses.
    """
    opus = _binding()
    decoder = opus.Decoder(RATE, 1)
    frames = []
    for i, record in enumerate(records):
        try:
            if recovers[i]:
                data = decoder.decode(records[i + 1].packet, samples, decode_fec=True)
            elif again and again[i]:
                data = decoder.decode(records[i - 1].packet, samples)
            else:
                data = decoder.decode(b"" if lost[i] else record.packet, samples)
        except opus.OpusError as error:
            raise InputError(f"packet {i}: libopus cannot decode it ({error})") from error
        frames.append(np.frombuffer(data, "<i2"))
    return np.stack(frames)


def lbrr_bytes(packet: bytes, samples: int = FRAME) -> int:
    """Return how many bytes at the beginning of a packet its LBRR takes; the packet has LBRR.

    libopus does not tell. What it decodes from LBRR does not change with the bytes after it, so
    the shortest beginning is sought that decides the sound.
    """
    opus = _binding()

    def recovered(data: bytes) -> bytes:
        return bytes(opus.Decoder(RATE, 1).decode(data, samples, decode_fec=True))

    wanted = recovered(packet)
    found = []
    for rest in (b"\0", b"\xff"):
        low, high = 1, len(packet)
        while low < high:
            middle = (low + high) // 2
            if recovered(packet[:middle] + rest * (len(packet) - middle)) == wanted:
                high = middle
            else:
                low = middle + 1
        found.append(low)
    return max(found)
