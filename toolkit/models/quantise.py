# SPDX-License-Identifier: BSD-3-Clause
"""The first steps of the way as functions: weights and a recording -> quantised model."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quantize import integer
from quantize.codec.calibration import quantise_decoder_networks
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel, coded_values, default_rate, run_encoder
from quantize.dred.history import STEP_SAMPLES
from quantize.dsp.resample import DELAY_16K
from quantize.errors import InputError
from quantize.features import integers as fixed
from quantize.features.floats import extract
from quantize.integer import Ints
from quantize.nn.calibrate import LayerReport, calibrate, report, steps
from quantize.nn.graph import Graph
from quantize.nn.model import QuantisedModel
from quantize.nn.quantizer import quantise
from quantize.nn.run import Floats, run_integer
from quantize.nn.topologies import (
    pitch,
    predictor,
    rdovae_decoder,
    rdovae_decoder_init,
    rdovae_encoder,
)
from quantize.plc.quantise import quantise_predictor
from toolkit.common.paths import DATA
from toolkit.models.importers import (
    SHIPPED_PITCH,
    SHIPPED_PREDICTOR,
    FloatModel,
    has_layers,
    load_model,
    load_predictor,
)
from toolkit.models.importers.entropy import read_tables
from toolkit.models.importers.fargan import holds_fargan
from toolkit.models.saved import Model
from toolkit.models.voice import voice_model
from toolkit.speech.audio import read_speech
from toolkit.targets.target import Target

CLIP = DATA / "clip.wav"
STAGES = ("encoder", "decoder", "rdovae_enc")
NO_PREDICTOR = "none"
OWN_PREDICTOR = "own"  # the one that ships


@dataclass(frozen=True)
class Sources:
    """Which files a model is made from.

    `pitch` and `tables` default as `quantise_encoder` says, `decoder`, `voice` and `predictor` as
    `quantise_decoder` does, after `for_target`.
    """

    weights: Path
    pitch: Path | None = None
    tables: Path | None = None
    calibration: Path = CLIP
    decoder: Path | None = None
    voice: str | None = None
    predictor: str | None = None


def for_target(sources: Sources, target: Target | None) -> Sources:
    """Return the sources with the voice that a target's receiver gets if none is asked for.

    That is FARGAN if the target speaks it and the weights are of an Opus release that has it.
    Without a target nothing changes.
    """
    if sources.voice is not None or target is None or target.release_voice != "fargan":
        return sources
    for path in (sources.decoder, sources.weights):
        if path is not None and path.is_file() and holds_fargan(path):
            return replace(sources, voice=str(path))
    return sources


def quantise_stage(stage: str, sources: Sources) -> tuple[Model, list[LayerReport]]:
    """Quantise the networks of a stage; return the model and each layer's error against float."""
    if stage == "encoder":
        return quantise_encoder(sources)
    if stage == "decoder":
        _check_decoder(sources)  # first, since quantising the sender takes a while
        return quantise_decoder(sources, quantise_encoder(sources)[0])
    return quantise_file(sources.weights, sources.calibration)


def _check_decoder(sources: Sources) -> None:
    """Raise InputError if a file that a receiver is made from is missing or does not fit."""
    for graph in (rdovae_decoder_init(), rdovae_decoder()):
        load_model(sources.decoder or sources.weights, graph)
    voice_model(sources.voice)
    _predictor(sources)


def _predictor(sources: Sources) -> FloatModel | None:
    """Return the predictor of a receiver; raises InputError if it is asked for and not there."""
    if sources.predictor == NO_PREDICTOR:
        return None
    if sources.predictor is None:
        return load_predictor(sources.decoder or sources.weights)
    own = sources.predictor == OWN_PREDICTOR
    path = SHIPPED_PREDICTOR if own else Path(sources.predictor)
    return load_predictor(path) or load_model(path, predictor())


def quantise_file(weights: Path, calibration: Path) -> tuple[QuantisedModel, list[LayerReport]]:
    """Quantise the RDO-VAE encoder found in a weight file, calibrated on a recording of speech."""
    graph = rdovae_encoder()
    inputs = steps(extract(read_speech(calibration)), graph)
    return _quantise(graph, weights, inputs)


def quantise_encoder(sources: Sources) -> tuple[EncoderModel, list[LayerReport]]:
    """Quantise the whole sender, each network calibrated on the integer outputs before it.

    The pitch network comes from `sources.pitch`, else from the weights' own file if it has one,
    else it is the shipped network. Entropy tables come from `sources.tables`, else from the
    weights' file.
    """
    load_model(sources.weights, rdovae_encoder())  # its error says what else the file may be
    tables = read_tables(sources.tables or sources.weights)
    if tables is None:
        raise InputError(
            f"{sources.tables or sources.weights}: holds no entropy tables; give --tables, or "
            "--stage rdovae_enc for the network alone"
        )
    graph = pitch()
    source = sources.pitch
    if source is None:
        source = sources.weights if has_layers(sources.weights, graph) else SHIPPED_PITCH
    pcm = read_speech(sources.calibration)
    analysis = fixed.analyse(np.concatenate([np.zeros(DELAY_16K, np.int16), pcm]))
    seen = {
        "if_features": integer.to_real(analysis.phases, integer.Q15_FRAC),
        "xcorr_features": integer.to_real(analysis.lags, integer.Q15_FRAC),
    }
    network, rows = _quantise(graph, source, seen)
    held = {"if_features": integer.narrow(analysis.phases), "xcorr_features": analysis.lags}
    scores = run_integer(network, held)[graph.nodes[-1].name]
    features = fixed.finish(analysis, scores, network.frac["logits"])
    graph = rdovae_encoder()
    inputs = steps(integer.to_real(features, fixed.FEATURE_FRAC), graph)
    rdovae, more = _quantise(graph, sources.weights, inputs)
    return EncoderModel(network, rdovae, tables), rows + more


def quantise_decoder(
    sources: Sources, sender: EncoderModel, sent: dict[str, Ints] | None = None
) -> tuple[DecoderModel, list[LayerReport]]:
    """Quantise the whole receiver for the payloads of `sender`.

    The decoder's layers come from `sources.decoder`, else from the weights' own file. The entropy
    tables are the sender's. toolkit/models/voice.py lists what `sources.voice` may be.
    `sources.predictor` is a file, "own" or "none"; None means what the decoder's file has.
    `sent` is what quantize.codec.sender.coded_values returns for the calibration
    recording; with it the sender need not run over the recording again.
    """
    if sent is None:
        pcm = read_speech(sources.calibration)
        count = len(pcm) // STEP_SAMPLES
        run = run_encoder(sender, pcm, [default_rate()] * count, [True] * count)
        sent = coded_values(sender, run.layers)
    weights = sources.decoder or sources.weights
    graphs = (rdovae_decoder_init(), rdovae_decoder())
    start, step = (load_model(weights, graph) for graph in graphs)
    networks, rows = quantise_decoder_networks(
        {**start.layers, **step.layers},
        sender.tables,
        sent["latents"],
        sent["initial_state"],
        step.source,
    )
    found = _predictor(sources)
    model = None
    if found is not None:
        model, more = _quantise_predictor(found, sources)
        rows += more
    return DecoderModel(networks, voice_model(sources.voice), model), rows


def own_predictor(sources: Sources) -> QuantisedModel:
    """Quantise the predictor that ships, for a receiver whose weights have none."""
    found = _predictor(replace(sources, predictor=OWN_PREDICTOR))
    assert found is not None
    return _quantise_predictor(found, sources)[0]


def _quantise_predictor(
    found: FloatModel, sources: Sources
) -> tuple[QuantisedModel, list[LayerReport]]:
    return quantise_predictor(found.layers, read_speech(sources.calibration), found.source)


def _quantise(
    graph: Graph, weights: Path, inputs: Floats | dict[str, Floats]
) -> tuple[QuantisedModel, list[LayerReport]]:
    floats = load_model(weights, graph)
    seen = calibrate(graph, floats.layers, inputs)
    model = quantise(graph, floats.layers, seen, floats.source)
    return model, report(model, floats.layers, inputs)
