# SPDX-License-Identifier: BSD-3-Clause
"""The models of `dredkit call`: the sender, and a receiver for each voice."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quantize.codec.receiver import ReceiverConfig
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.near import near
from toolkit.call.codec import opus_version
from toolkit.call.table.code import code_hash
from toolkit.call.table.conditions import Condition, Setup, Voice, conditions
from toolkit.commands.shared.call_outcome import TAKES
from toolkit.common.console import err
from toolkit.common.errors import InputError
from toolkit.models.importers.fargan import holds_fargan
from toolkit.models.quantise import Sources, own_predictor, quantise_decoder, quantise_encoder
from toolkit.models.voice import VOICES, default_voice, voice_model
from toolkit.verify.scoring.metrics import PLCMOS_PACKAGES, require, scorer_version


@dataclass(frozen=True)
class Prepared:
    """What a table is made with."""

    sources: Sources
    opus: str
    sender: EncoderModel
    receivers: dict[str, DecoderModel]
    ways: list[Condition]

    def setup(
        self,
        bitrate: int,
        plain_bitrate: int,
        duration: int,
        depth: int,
        config: ReceiverConfig,
        seed: int,
    ) -> Setup:
        """Return what all conditions share."""
        return Setup(
            self.sender, self.receivers, bitrate, plain_bitrate, duration, depth, config, seed,
            self.opus, scorer_version(), code_hash(),
        )  # fmt: skip

    def made(self, config: ReceiverConfig) -> dict[str, str]:
        """Tell how it is made."""
        receiver = next(iter(self.receivers.values()))
        told = told_models(self.opus, self.sources, self.sender, receiver, config)
        for name, model in self.receivers.items():
            told[f"receiver, {name}"] = model.hash[:12]
        return told | {"scorer": scorer_version(), "code": code_hash()[:12]}


def prepare(sources: Sources, compare: tuple[str, ...], against: str) -> Prepared:
    """Quantise all models of a table, by all voices that ship unless some are named.

    If the receiver has no predictor and none was refused, each voice gets a second receiver with
    the shipped predictor. Raises ToolError if libopus or the scorer are missing, InputError for
    weights that do not fit and an unknown condition `against`.
    """
    require(PLCMOS_PACKAGES)
    importlib.import_module("distributed")  # before any work: it may be missing
    opus = opus_version()
    voices = named_voices(sources, compare) if sources.voice or compare else _every_voice(sources)
    # The names of all receivers that there may be: a wrong word is refused before the work begins.
    check_against(against, conditions([Voice(name, name, "") for name in voices]))
    sender, receiver = models_of(sources)
    predictor = receiver.predictor
    if predictor is None and sources.predictor is None:
        predictor = own_predictor(sources)
    receivers: dict[str, DecoderModel] = {}
    wanted = []
    for name, voice in voices.items():
        own = receivers[name] = replace(receiver, voice=voice_model(voice))
        predicting = None if predictor is None else name
        if predictor is not receiver.predictor:
            predicting = f"{name}, predicting"
            receivers[predicting] = replace(own, predictor=predictor)
        wanted.append(Voice(name, name, predicting))
    ways = conditions(wanted)
    check_against(against, ways)
    return Prepared(sources, opus, sender, receivers, ways)


def check_against(against: str, ways: Sequence[Condition]) -> None:
    """Raise InputError for an unknown condition."""
    keys = [condition.key for condition in ways]
    if against not in keys:
        raise InputError(f"--against {against}: want one of {', '.join(keys)}{near(against, keys)}")


def named_voices(sources: Sources, compare: tuple[str, ...]) -> dict[str, str]:
    """Return the voices by the name that results have; InputError if two have the same."""
    first = sources.voice or default_voice()
    found: dict[str, str] = {}
    for voice in (first, *compare):
        name = Path(voice).stem
        if name in found:
            raise InputError(f"--compare {voice}: {name} speaks already")
        if name in TAKES:
            raise InputError(f"--voice {voice}: {name} names another recording; rename the file")
        found[name] = voice
    return found


def _every_voice(sources: Sources) -> dict[str, str]:
    """Return the voices that ship, and FARGAN of the weights if they are a release's."""
    files = [path for path in (sources.decoder, sources.weights) if path and holds_fargan(path)]
    return {name: name for name in VOICES} | {path.stem: str(path) for path in files}


def models_of(sources: Sources) -> tuple[EncoderModel, DecoderModel]:
    """Quantise a sender, and a receiver of its payloads."""
    with err.status(f"quantising {sources.weights.name}"):
        sender, _ = quantise_encoder(sources)
    with err.status(f"quantising {(sources.decoder or sources.weights).name}"):
        return sender, quantise_decoder(sources, sender)[0]


def told_models(
    opus: str,
    sources: Sources,
    sender: EncoderModel,
    receiver: DecoderModel,
    config: ReceiverConfig,
) -> dict[str, str]:
    """Tell with what a call is made."""
    return {
        "base codec": opus,
        "sender": f"{sources.weights.name}, {sender.hash[:12]}",
        "receiver": f"{(sources.decoder or sources.weights).name}, {receiver.hash[:12]}",
        "return after a gap": f"{config.over_ms} ms spoken over, {config.fade_ms} ms of fade",
    }
