# SPDX-License-Identifier: BSD-3-Clause
"""Ways to send and play one recording with losses, each scored by PLCMOS.

Every condition of a file and loss rate loses the same packets. Results are kept as JSON, one file a
recording, condition and rate, so that a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from quantize.codec.receiver import ReceiverConfig
from quantize.codec.sender import EncoderModel
from quantize.files.write import write_whole
from toolkit.call.bitfile import Record
from toolkit.call.codec import FRAME, decode_stream, encode_speech
from toolkit.call.library import LIBRARY, ReceiverLibrary
from toolkit.call.losses import bursty
from toolkit.call.play import decode_call, play
from toolkit.call.sender import send
from toolkit.common.errors import InputError
from toolkit.speech.audio import Pcm, read_audio

PACKET_MS: Final = 20
_FORMAT: Final = 1  # of a kept result


@dataclass(frozen=True)
class Condition:
    """One way: which stream is sent, and who plays it.

    `voice` names the voice of our receiver; None stands for the base decoder alone.
    """

    key: str
    title: str
    dred: bool = False
    lbrr: bool = False
    voice: str | None = None
    lossless: bool = False


def conditions(voices: Sequence[str]) -> list[Condition]:
    """Return all conditions, from no loss on, those of our receiver once a voice."""
    found = [
        Condition("none", "no loss", lossless=True),
        Condition("plc", "libopus conceals"),
        Condition("lbrr", "libopus with LBRR", lbrr=True),
    ]
    for voice in voices:
        found += [
            Condition(f"hold-{voice}", f"no payloads, {voice}", voice=voice),
            Condition(f"dred-{voice}", f"DRED, {voice}", dred=True, voice=voice),
            Condition(
                f"dred-lbrr-{voice}", f"DRED and LBRR, {voice}", dred=True, lbrr=True, voice=voice
            ),
        ]
    return found


def how(condition: Condition, setup: Setup) -> str:
    """Tell how a condition is made, in a line."""
    rate = setup.bitrate if condition.dred else setup.plain_bitrate
    said = [f"Opus wideband asked for {rate / 1000:g} kb/s"]
    if condition.dred:
        said[0] += " in all, divided as libopus 1.6 divides it"
    if condition.lbrr:
        said.append("with in-band FEC")
    if condition.lossless:
        said.append("nothing is lost")
    elif condition.voice is None:
        said.append(f"{setup.opus} conceals")
    else:
        said.append(f"our receiver speaks with {condition.voice}")
        if not condition.dred:
            said.append("from the features of what it heard, as no payloads come")
    return ", ".join(said)


@dataclass(frozen=True)
class Setup:
    """What all conditions share. `receivers` has the folder of each voice's compiled receiver."""

    sender: EncoderModel
    receivers: Mapping[str, Path]
    bitrate: int  # of streams with DRED
    plain_bitrate: int  # of streams without
    duration: int
    depth: int
    config: ReceiverConfig
    seed: int
    opus: str

    def fingerprint(self, condition: Condition) -> str:
        """Return a hash of all that decides a result but the recording and its losses."""
        facts: dict[str, Any] = {"format": _FORMAT, "opus": self.opus, **asdict(condition)}
        facts["bitrate"] = self.bitrate if condition.dred else self.plain_bitrate
        if condition.dred:
            facts |= {"sender": self.sender.hash, "duration": self.duration}
        if condition.voice is not None:
            library = (self.receivers[condition.voice] / LIBRARY).read_bytes()
            facts |= {"receiver": hashlib.sha256(library).hexdigest(), "depth": self.depth}
            facts |= asdict(self.config)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """One recording at one loss rate, and the conditions that are scored there."""

    path: Path
    loss: int
    conditions: tuple[Condition, ...]
    kept: Path  # folder of results


Judge = Callable[[Pcm], float]
Result = dict[str, Any]


def run_job(job: Job, setup: Setup, judge: Callable[[], Judge]) -> dict[str, Result]:
    """Return each condition's result by key; take those that are kept already.

    `judge` makes the scorer, and is called only where something is left to score.
    """
    pcm = read_audio(job.path)
    count = len(pcm) // FRAME
    if not count:
        raise InputError(f"{job.path}: shorter than one packet of {PACKET_MS} ms")
    lost = bursty(count, job.loss, setup.seed ^ zlib.crc32(f"{job.path.name} {job.loss}".encode()))
    base = hashlib.sha256(pcm.tobytes() + bytes(lost)).hexdigest()
    streams = cache(lambda dred, lbrr: _stream(pcm, setup, job.loss, dred, lbrr))
    found = {}
    for condition in job.conditions:
        place = job.kept / job.path.name / f"{condition.key}-{job.loss}.json"
        made_of = f"{base} {setup.fingerprint(condition)}"
        result = _kept(place, made_of)
        if result is None:
            records = streams(condition.dred, condition.lbrr)
            played = _played(condition, setup, records, lost)
            size = sum(len(record.packet) for record in records)
            result = {
                "plcmos": judge()(played),
                "bitrate": 8 * size * 1000 / (PACKET_MS * len(records)),
                "lost_percent": 0.0 if condition.lossless else 100 * sum(lost) / count,
            }
            text = json.dumps({"made_of": made_of, **result}, indent=1) + "\n"
            write_whole(place, text.encode())
        found[condition.key] = result
    return found


def _stream(pcm: Pcm, setup: Setup, loss: int, dred: bool, lbrr: bool) -> list[Record]:
    if dred:
        sent = send(
            pcm, setup.sender, bitrate=setup.bitrate, loss=loss, duration=setup.duration, lbrr=lbrr
        )
        return sent.records
    count = len(pcm) // FRAME
    return encode_speech(pcm, [setup.plain_bitrate] * count, loss, lbrr=lbrr)


def _played(
    condition: Condition, setup: Setup, records: Sequence[Record], lost: Sequence[bool]
) -> Pcm:
    if condition.lossless:
        nothing = [False] * len(records)
        return decode_stream(records, nothing, nothing, FRAME).reshape(-1)
    if condition.voice is None:
        return decode_call(records, lost, lbrr=condition.lbrr).pcm.reshape(-1)
    player = _library(setup.receivers[condition.voice]).start(setup.config)
    return play(player, records, lost, lbrr=condition.lbrr, depth=setup.depth).pcm


@cache
def _library(folder: Path) -> ReceiverLibrary:
    return ReceiverLibrary(folder)


def _kept(place: Path, made_of: str) -> Result | None:
    """Return a result of an earlier run if it was made of the same; None otherwise."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.pop("made_of", None) != made_of:
        return None
    return found if found.keys() == {"plcmos", "bitrate", "lost_percent"} else None
