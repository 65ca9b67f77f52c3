# SPDX-License-Identifier: BSD-3-Clause
"""The ways to send and play a recording, and what they share.

Every condition of a recording and loss rate loses the same packets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from quantize.codec.receiver import ReceiverConfig
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel

PACKET_MS: Final = 20
_FORMAT: Final = 2  # of a kept result

# Kinds of conditions, in the order of the table.
LOSSLESS, BASE, HELD, PREDICTED, DRED = "lossless", "base", "held", "predicted", "dred"


@dataclass(frozen=True)
class Condition:
    """One way: which stream is sent, and who plays it.

    `voice` names the voice of our receiver and `receiver` the receiver itself; both are None where
    the base decoder plays alone.
    """

    key: str
    title: str
    kind: str
    dred: bool = False
    lbrr: bool = False
    voice: str | None = None
    receiver: str | None = None

    @property
    def lossless(self) -> bool:
        """Whether every packet arrives."""
        return self.kind == LOSSLESS


@dataclass(frozen=True)
class Voice:
    """A voice's receivers, by name: `plain` plays DRED, `predicting` streams without.

    Both are the same if the receiver has a predictor; `predicting` is None if there is none.
    """

    name: str
    plain: str
    predicting: str | None


def conditions(voices: Sequence[Voice]) -> list[Condition]:
    """Return all conditions, from no loss on, those of our receiver once a voice."""
    found = [
        Condition("none", "no loss", LOSSLESS),
        Condition("plc", "Opus PLC", BASE),
        Condition("lbrr", "LBRR", BASE, lbrr=True),
    ]
    for voice in voices:
        found += _of_voice(voice)
    return found


def _of_voice(voice: Voice) -> list[Condition]:
    name, plain, predicting = voice.name, voice.plain, voice.predicting
    if predicting is None:
        gaps = Condition(f"held-{name}", f"held, {name}", HELD, voice=name, receiver=plain)
    else:
        title = f"predictor, {name}"
        gaps = Condition(f"predictor-{name}", title, PREDICTED, voice=name, receiver=predicting)
    dred = Condition(f"dred-{name}", f"DRED, {name}", DRED, True, False, name, plain)
    both = Condition(f"dred-lbrr-{name}", f"DRED + LBRR, {name}", DRED, True, True, name, plain)
    return [gaps, dred, both]


def above(wanted: Sequence[Condition]) -> list[tuple[str, str]]:
    """Return (higher, lower): the keys of conditions that ought to be apart in this direction."""
    keys = {condition.key for condition in wanted}
    pairs = []
    for voice in dict.fromkeys(c.voice for c in wanted if c.voice is not None):
        pairs += [
            (f"dred-{voice}", f"predictor-{voice}"),
            (f"dred-{voice}", f"held-{voice}"),
            (f"predictor-{voice}", "plc"),
            (f"dred-{voice}", "plc"),
            (f"dred-{voice}", "lbrr"),
            (f"dred-lbrr-{voice}", "lbrr"),
            (f"dred-lbrr-{voice}", f"dred-{voice}"),
        ]
    return [pair for pair in pairs if keys.issuperset(pair)]


@dataclass(frozen=True)
class Setup:
    """What all conditions share: no path, so that it can be sent to other machines.

    `receivers` has the models of all receivers by name; `code` is the hash of the code that must
    run them.
    """

    sender: EncoderModel
    receivers: Mapping[str, DecoderModel]
    bitrate: int  # of streams with DRED
    plain_bitrate: int  # of streams without
    duration: int
    depth: int
    config: ReceiverConfig
    seed: int
    opus: str
    scorer: str
    code: str

    def fingerprint(self, condition: Condition) -> dict[str, Any]:
        """Return all that decides a result but the recording and its losses."""
        facts: dict[str, Any] = {
            "format": _FORMAT, "code": self.code, "opus": self.opus, "scorer": self.scorer,
            "dred": condition.dred, "lbrr": condition.lbrr, "lossless": condition.lossless,
            "bitrate": self.bitrate if condition.dred else self.plain_bitrate,
        }  # fmt: skip
        if condition.dred:
            facts |= {"sender": self.sender.hash, "duration": self.duration}
        if condition.receiver is not None:
            facts |= {"receiver": self.receivers[condition.receiver].hash, "depth": self.depth}
            facts |= asdict(self.config)
        return facts


def how(condition: Condition, setup: Setup) -> str:
    """Tell how a condition is made, in a line."""
    rate = setup.bitrate if condition.dred else setup.plain_bitrate
    said = [f"Opus wideband asked for {rate / 1000:g} kb/s"]
    if condition.dred:
        said[0] += " in all, divided as libopus 1.6 divides it"
    if condition.lbrr:
        said.append("with in-band FEC (LBRR)")
    if condition.lossless:
        said.append("nothing is lost")
    elif condition.receiver is None:
        said.append(f"{setup.opus} conceals")
    else:
        said.append(f"our receiver speaks with {condition.voice}")
        predicts = setup.receivers[condition.receiver].predictor is not None
        gaps = "the predictor continues" if predicts else "the last features are held in"
        said.append(f"{gaps} {'gaps that no payload covers' if condition.dred else 'every gap'}")
    return ", ".join(said)


def result_key(fingerprint: Mapping[str, Any], pcm: bytes, lost: Sequence[bool]) -> str:
    """Return a hash of all that decides a result; `fingerprint` is Setup.fingerprint's."""
    facts = {**fingerprint, "pcm": hashlib.sha256(pcm).hexdigest()}
    facts["lost"] = "".join("01"[flag] for flag in lost)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
