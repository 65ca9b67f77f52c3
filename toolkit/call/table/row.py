# SPDX-License-Identifier: BSD-3-Clause
"""One result: a recording at a loss rate, sent and played in one way, and scored.

These functions run on whatever machine a scheduler chooses. They get no paths. A receiver is
compiled where it runs, once a machine, below build/call.
"""

from __future__ import annotations

import fcntl
import hashlib
import platform
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from quantize.codec.receiver_model import DecoderModel
from quantize.packet.opus_packet import Packet
from toolkit.call.bitfile import Record
from toolkit.call.codec import FRAME, decode_stream, encode_speech, lbrr_bytes
from toolkit.call.library import ReceiverLibrary, build_receiver
from toolkit.call.play import decode_call, has_lbrr, play
from toolkit.call.sender import send
from toolkit.call.table.code import code_hash
from toolkit.call.table.conditions import PACKET_MS, Condition, Setup
from toolkit.common.errors import DredkitError, InputError, ToolError
from toolkit.common.places import CALL
from toolkit.speech.audio import Pcm
from toolkit.verify.scoring.metrics import Plcmos

RECEIVERS: Final = CALL / "receivers"
Judge = Callable[[Pcm], float]
Result = dict[str, Any]
_T = TypeVar("_T")
_scoring = threading.Lock()  # the scorer draws from numpy's global generator


@dataclass(frozen=True)
class Row:
    """Which result: a recording, a loss rate in percent, a condition, and which packets are lost.

    `sound` asks for what is played as well.
    """

    recording: str
    loss: int
    condition: Condition
    lost: Sequence[bool]
    key: str
    sound: bool = False

    def __str__(self) -> str:
        return f"{self.recording}, {self.loss} % lost, {self.condition.title}"


@dataclass(frozen=True)
class Stream:
    """Packets of 20 ms, and how many of their bytes are LBRR and redundancy."""

    records: list[Record]
    lbrr: int
    redundancy: int


@dataclass(frozen=True)
class Scored:
    """A result, and what was played if it was asked for."""

    result: Result
    pcm: Pcm | None


def make_stream(setup: Setup, pcm: bytes, row: Row) -> Stream:
    """Send a recording (int16, 16 kHz) as a row wants it; errors name the row."""
    return _named(row, setup, lambda: _stream(setup, np.frombuffer(pcm, "<i2"), row))


def score_row(setup: Setup, stream: Stream, row: Row) -> Scored:
    """Lose packets, play the rest and score it; errors name the row."""
    return _named(row, setup, lambda: _scored(setup, stream, row))


def _named(row: Row, setup: Setup, work: Callable[[], _T]) -> _T:
    try:
        if code_hash() != setup.code:
            raise ToolError(f"{platform.node()} has another dredkit than this machine")
        return work()
    except InputError as error:
        raise InputError(f"{row}: {error}") from None
    except DredkitError as error:
        raise ToolError(f"{row}: {error}") from None
    except Exception as error:
        raise ToolError(f"{row}: {type(error).__name__}: {error}") from error


def _stream(setup: Setup, pcm: Pcm, row: Row) -> Stream:
    condition, lbrr = row.condition, row.condition.lbrr
    if condition.dred:
        sent = send(
            pcm, setup.sender, bitrate=setup.bitrate, loss=row.loss, duration=setup.duration,
            lbrr=lbrr,
        )  # fmt: skip
        records, plain = sent.records, sent.plain_bytes
    else:
        count = len(pcm) // FRAME
        records = encode_speech(pcm, [setup.plain_bitrate] * count, row.loss, lbrr=lbrr)
        plain = sum(len(record.packet) for record in records)
    size = sum(len(record.packet) for record in records)
    recovery = sum(map(_lbrr, records)) if lbrr else 0
    return Stream(records, recovery, size - plain)


def _lbrr(record: Record) -> int:
    packet = Packet.parse(record.packet)
    if not has_lbrr(packet):
        return 0
    return lbrr_bytes(bytes([packet.toc & ~3]) + packet.frames[0])


def _scored(setup: Setup, stream: Stream, row: Row) -> Scored:
    pcm = _played(setup, stream.records, row)
    with _scoring:
        score = judge()(pcm)
    size = sum(len(record.packet) for record in stream.records)
    second = 8 * 1000 / (PACKET_MS * len(stream.records))
    result = {
        "plcmos": score,
        "bitrate": second * size,
        "lbrr_bitrate": second * stream.lbrr,
        "redundancy_bitrate": second * stream.redundancy,
        "lost_percent": 100 * sum(row.lost) / len(row.lost),
    }
    return Scored(result, pcm if row.sound else None)


def _played(setup: Setup, records: Sequence[Record], row: Row) -> Pcm:
    condition = row.condition
    if condition.receiver is None:
        if condition.lossless:
            return decode_stream(records, row.lost, row.lost, FRAME).reshape(-1)
        return decode_call(records, row.lost, lbrr=condition.lbrr).pcm.reshape(-1)
    player = receiver(setup.receivers[condition.receiver]).start(setup.config)
    return play(player, records, row.lost, lbrr=condition.lbrr, depth=setup.depth).pcm


def receiver(model: DecoderModel) -> ReceiverLibrary:
    """Return a model's receiver; compile it if nobody has done so on this machine."""
    return _library(f"{model.hash} {code_hash()} {platform.node()}", model)


_libraries: dict[str, ReceiverLibrary] = {}
_opening = threading.Lock()


def _library(made_of: str, model: DecoderModel) -> ReceiverLibrary:
    with _opening:
        if made_of not in _libraries:
            name = hashlib.sha256(made_of.encode()).hexdigest()[:16]
            _libraries[made_of] = ReceiverLibrary(_compiled(model, RECEIVERS / name))
        return _libraries[made_of]


def _compiled(model: DecoderModel, folder: Path) -> Path:
    """Return the folder of a compiled receiver; other processes wait for the one that compiles.

    The folder appears whole: what an interrupted run leaves behind is never taken.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="partial-") as partial:
                build_receiver(model, Path(partial) / "made")
                (Path(partial) / "made").rename(folder)
    return folder


@cache
def _scorer() -> Plcmos:
    return Plcmos()


def judge() -> Judge:
    """Return the scorer of this process."""
    return _scorer().score
