# SPDX-License-Identifier: BSD-3-Clause
"""The sender: from PCM to DRED payloads in integers, bit for bit as on a device.

It hears frames of 10 ms. Every second frame completes a step of 20 ms, for which the encoder
network runs. A packet has any number of frames from 1 to 12, whether they complete steps or not.

One file holds all that a sender needs: two quantised networks and the entropy tables. `run_encoder`
is the normative run. Its parts are normative as well: quantize.dsp (resampler),
quantize.features.integers, quantize.nn.run (networks), quantize.dred (history and payload).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.dred.history import (
    DELAY_SAMPLES,
    DELAY_SAMPLES_MAX,
    PACKET_SAMPLES_MAX,
    STEP_SAMPLES,
    UNIT_SAMPLES,
    History,
    Rate,
)
from quantize.dred.tables import EntropyTables
from quantize.dsp.resample import DELAY_16K, RATES, resample
from quantize.errors import InputError
from quantize.features import integers as fixed
from quantize.integer import Ints
from quantize.nn.model import QuantisedModel
from quantize.nn.model_file import ModelFile, join_parts, read_parts
from quantize.nn.run import run_integer
from quantize.nn.topologies import pitch, rdovae_encoder

FORMAT = "dredkit-encoder-1"
FRAMES_PER_STEP = STEP_SAMPLES // fixed.FRAME
FRAMES_MAX = PACKET_SAMPLES_MAX // fixed.FRAME  # of a packet
Q16 = 16
HEARD_RATE = 16000  # samples a second of the signal that features come from
STEPS_PER_SECOND = 50
SILENCE_RMS = 200  # samples that are no louder than this count as silent
DEFAULT_BYTES = 256  # room for a payload unless the caller says otherwise


@dataclass(frozen=True)
class EncoderModel(ModelFile):
    """The pitch network, the RDO-VAE encoder and the entropy tables of its latents."""

    pitch: QuantisedModel
    rdovae: QuantisedModel
    tables: EntropyTables

    def to_bytes(self) -> bytes:
        """Serialise; equal models give equal bytes."""
        parts = {
            "pitch": self.pitch.to_bytes(),
            "rdovae": self.rdovae.to_bytes(),
            "tables": self.tables.to_bytes(),
        }
        return join_parts(FORMAT, parts)

    @staticmethod
    def load(path: Path) -> "EncoderModel":
        """Read a file written by `save`; raises InputError if it is anything else."""
        parts = read_parts(path, FORMAT, ("pitch", "rdovae", "tables"))
        return EncoderModel(
            QuantisedModel.for_graph(parts["pitch"], f"{path}, pitch network", pitch()),
            QuantisedModel.for_graph(parts["rdovae"], f"{path}, RDO-VAE", rdovae_encoder()),
            EntropyTables.from_bytes(parts["tables"], str(path)),
        )


@dataclass(frozen=True)
class EncoderRun:
    """The results of a run: one payload a packet; every layer's values [steps, size] by name."""

    payloads: list[bytes]
    layers: dict[str, Ints]


def layer_sizes(model: EncoderModel) -> list[tuple[str, int]]:
    """Return the layers of one step, in the order of computation, and their sizes in int16."""
    sizes = []
    for frame in range(FRAMES_PER_STEP):
        sizes += [(f"frame{frame}.if_features", 88), (f"frame{frame}.xcorr_features", 224)]
        sizes += [(f"frame{frame}.{n.name}", n.output.size) for n in model.pitch.graph.nodes]
        sizes.append((f"frame{frame}.features", fixed.FEATURES))
    return sizes + [(n.name, n.output.size) for n in model.rdovae.graph.nodes]


def step_samples(input_rate: int) -> int:
    """Return how many samples 20 ms have; raises InputError for a rate that is not in RATES."""
    if input_rate not in RATES:
        known = ", ".join(str(rate) for rate in sorted(RATES))
        raise InputError(f"an input rate of {input_rate} Hz: want one of {known}")
    return input_rate // STEPS_PER_SECOND


def is_voice(pcm: npt.NDArray[np.int16]) -> bool:
    """Return whether the RMS of int16 samples is above 200, exactly.

    This hears level only: louder noise counts as voice, quieter speech does not.
    """
    energy = int((pcm.astype(np.int64) ** 2).sum())
    return energy > SILENCE_RMS**2 * len(pcm)


def voiced(pcm: npt.NDArray[np.int16], input_rate: int = HEARD_RATE) -> list[bool]:
    """Return for each whole step of int16 PCM whether it is voice."""
    samples = step_samples(input_rate)
    return [is_voice(pcm[at : at + samples]) for at in range(0, len(pcm) - samples + 1, samples)]


def codec_delay(lookahead: int, rate: int) -> int:
    """Return the delay, 0..560 samples at 16 kHz, of an Opus encoder at `rate` samples a second.

    `lookahead`, in samples at `rate`, is what its OPUS_GET_LOOKAHEAD gives. 2.5 ms of it are
    CELT's overlap, which does not delay the redundancy.
    """
    samples = lookahead * HEARD_RATE // rate - UNIT_SAMPLES
    return min(max(samples, 0), DELAY_SAMPLES_MAX)


def run_encoder(
    model: EncoderModel,
    pcm: npt.NDArray[np.int16],
    rates: Sequence[Rate],
    active: Sequence[bool],
    input_rate: int = HEARD_RATE,
    frames: Sequence[int] | None = None,
    delay: int = DELAY_SAMPLES,
) -> EncoderRun:
    """Encode int16 PCM at `input_rate`; packet k takes rates[k] and the voice decision active[k].

    Packet k has frames[k] frames of 10 ms, 1..12; by default, every packet has 20 ms. Samples past
    the last whole packet are dropped. `delay` is the base codec's, 0..560 samples at 16 kHz.

    As in libopus, the signal at 16 kHz is delayed by 11 samples before analysis, whatever the input
    rate. The delay of quantize.dsp.resample adds to that, and the receiver is not told of it.
    Raises InputError if there is no whole step or a packet has another length.
    """
    if frames is None:
        frames = [FRAMES_PER_STEP] * (len(pcm) // step_samples(input_rate))
    count = sum(frames)
    steps = count // FRAMES_PER_STEP
    if steps == 0:
        raise InputError("the audio is shorter than one 20 ms step")
    if not len(rates) == len(active) == len(frames):
        raise InputError(f"{len(frames)} packets want as many rates and voice decisions")
    samples = step_samples(input_rate) // FRAMES_PER_STEP * count
    if not all(1 <= number <= FRAMES_MAX for number in frames) or samples > len(pcm):
        raise InputError(f"want packets of 10 to {FRAMES_MAX}0 ms and PCM for all of them")
    heard = pcm[:samples] if input_rate == HEARD_RATE else resample(pcm[:samples], input_rate)
    layers = _layers(model, heard, steps)
    return EncoderRun(_payloads(model, layers, rates, active, frames, delay), layers)


def _layers(model: EncoderModel, heard: npt.NDArray[np.int16], steps: int) -> dict[str, Ints]:
    """Return every layer of the steps of a signal at 16 kHz."""
    delayed = np.concatenate([np.zeros(DELAY_16K, np.int16), heard])[: steps * STEP_SAMPLES]
    analysis = fixed.analyse(delayed)
    held = {"if_features": integer.narrow(analysis.phases), "xcorr_features": analysis.lags}
    scores = run_integer(model.pitch, held)
    frac = model.rdovae.frac["features"]
    last = model.pitch.graph.nodes[-1].name
    features = fixed.finish(analysis, scores[last], model.pitch.frac["logits"], frac)
    network = run_integer(model.rdovae, features.reshape(steps, -1))

    layers: dict[str, Ints] = {}
    framewise = {"if_features": analysis.phases, "xcorr_features": analysis.lags}
    framewise |= scores | {"features": features}
    for frame in range(FRAMES_PER_STEP):
        for name, values in framewise.items():
            layers[f"frame{frame}.{name}"] = values[frame::FRAMES_PER_STEP]
    return layers | network


def _payloads(
    model: EncoderModel,
    layers: dict[str, Ints],
    rates: Sequence[Rate],
    active: Sequence[bool],
    frames: Sequence[int],
    delay: int,
) -> list[bytes]:
    q16 = coded_values(model, layers)
    history = History(delay)
    payloads = []
    done = 0
    for rate, voice, number in zip(rates, active, frames, strict=True):
        samples = number * fixed.FRAME
        for step in range(done, done + history.hear(samples, voice)):
            history.push(q16["latents"][step], q16["initial_state"][step])
            done = step + 1
        payloads.append(history.payload(model.tables, rate, samples))
    return payloads


def coded_values(model: EncoderModel, layers: dict[str, Ints]) -> dict[str, Ints]:
    """Return "latents" [steps, 25] and "initial_state" [steps, 50] of a run, int32 Q16."""
    graph = model.rdovae.graph
    writers = {node.output.buffer: node.name for node in graph.nodes}
    frac = model.rdovae.frac
    return {name: layers[writers[name]] << (Q16 - frac[name]) for name in graph.outputs}


def default_rate() -> Rate:
    """Return the rate of golden set a: fine at the newest end, coarser with age, 1.04 s."""
    return Rate(q0=6, dq=5, qmax=15, max_bytes=DEFAULT_BYTES)
