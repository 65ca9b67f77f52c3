# SPDX-License-Identifier: BSD-3-Clause
"""The stages of the committed figures, each quantised once for all targets."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.redundancy import DecoderNetworks
from quantize.codec.sender import EncoderModel
from toolkit.common.errors import InputError
from toolkit.common.paths import ROOT
from toolkit.measure.bench.figures import KERNELS, OPUS, VOICES
from toolkit.measure.bench.kernels import KernelsStage
from toolkit.models.importers import SHIPPED
from toolkit.models.quantise import Sources, quantise_decoder, quantise_encoder
from toolkit.models.voice import voice_model
from toolkit.stages.stage import Stage, stage_of


def opus_folder() -> Path | None:
    """Return the folder with the weights of an Opus release, which do not ship; None without it.

    The environment variable DREDKIT_UPSTREAM names it, else it lies beside the checkout.
    """
    named = os.environ.get("DREDKIT_UPSTREAM")
    folder = Path(named) if named else ROOT.parent / "shared" / "opus-1.6"
    return folder if (folder / "weights" / "rdovae_enc.bin").is_file() else None


def run_stage(run: str) -> Stage:
    """Return the stage of a run of toolkit/measure/bench/figures.py.

    Raises InputError if its weights are missing.
    """
    if run == KERNELS:
        return KernelsStage()
    opus = run.startswith(OPUS)
    run = run.removeprefix(OPUS)
    sender = _sender(opus)
    if run == "encoder":
        return stage_of(sender)
    voice = VOICES[run]
    folder = opus_folder()
    if opus and voice == "fargan" and folder is not None:
        voice = str(folder / "weights" / "fargan.bin")
    return stage_of(DecoderModel(_networks(opus), voice_model(voice)), sender=sender)


def _sources(opus: bool) -> Sources:
    if not opus:
        return Sources(SHIPPED, voice="pulse")
    folder = opus_folder()
    if folder is None:
        raise InputError("no weights of an Opus release: set DREDKIT_UPSTREAM to their folder")
    weights = folder / "weights"
    own = Sources(weights / "rdovae_enc.bin", pitch=weights / "pitchdnn.bin", voice="pulse")
    tables = folder / "golden" / "dred_stats_tables.u8"
    return replace(own, tables=tables, decoder=weights / "rdovae_dec.bin")


@cache
def _sender(opus: bool) -> EncoderModel:
    return quantise_encoder(_sources(opus))[0]


@cache
def _networks(opus: bool) -> DecoderNetworks:
    return quantise_decoder(_sources(opus), _sender(opus))[0].networks
