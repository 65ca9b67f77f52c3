# SPDX-License-Identifier: BSD-3-Clause
"""The receiver's model: the decoder's networks quantised on what a sender sends, and a voice."""

import hashlib
from pathlib import Path

from quantize.calibrate import LayerReport
from quantize.decoder import DecoderModel
from quantize.dred.calibration import quantise_decoder_networks
from quantize.encoder import EncoderModel, coded_values, default_rate, run_encoder
from quantize.integer import Ints
from quantize.networks.lpcnet_checkpoint import integer_tensors
from quantize.receiver import STEP
from quantize.topologies import rdovae_decoder, rdovae_decoder_init
from quantize.vocoder.lpcnet_quantise import quantise_lpcnet
from quantize.vocoder.voices import VoiceModel
from toolkit.audio import read_speech
from toolkit.errors import InputError
from toolkit.importers import SHIPPED_VOICE, load_model
from toolkit.steps import Sources


def quantise_decoder(
    sources: Sources, sender: EncoderModel, sent: dict[str, Ints] | None = None
) -> tuple[DecoderModel, list[LayerReport]]:
    """Quantise the whole receiver of what `sender` sends; with it, how each layer fares.

    The decoder's layers come from `sources.decoder`, else from the weights' own file; entropy
    tables are the sender's. `sent` saves running the sender over the calibration recording: its
    "latents" and "initial_state" as quantize.encoder.coded_values gives them.
    """
    weights = sources.decoder or sources.weights
    start, step = (
        load_model(weights, graph) for graph in (rdovae_decoder_init(), rdovae_decoder())
    )
    sent = sent or _sent(sources, sender)
    networks, rows = quantise_decoder_networks(
        {**start.layers, **step.layers},
        sender.tables,
        sent["latents"],
        sent["initial_state"],
        step.source,
    )
    return DecoderModel(networks, voice_model(sources.voice)), rows


def _sent(sources: Sources, sender: EncoderModel) -> dict[str, Ints]:
    pcm = read_speech(sources.calibration)
    count = len(pcm) // STEP
    run = run_encoder(sender, pcm, [default_rate()] * count, [True] * count)
    return coded_values(sender, run.layers)


def voice_model(voice: str | None) -> VoiceModel:
    """The voice of that name, or an LPCNet from that file; None for the best that there is.

    That is the shipped LPCNet, or pulses where none is shipped. Raises InputError for no such
    voice or file.
    """
    if voice is None:
        voice = "lpcnet" if SHIPPED_VOICE.is_file() else "pulse"
    if voice == "pulse":
        return "pulse"
    path = SHIPPED_VOICE if voice == "lpcnet" else Path(voice)
    if not path.is_file():
        raise InputError(f"--voice {voice}: no such file; say pulse, lpcnet or a checkpoint of one")
    source = {
        "name": path.name,
        "kind": "checkpoint",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    return quantise_lpcnet(integer_tensors(path), source)
