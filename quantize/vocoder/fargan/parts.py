# SPDX-License-Identifier: BSD-3-Clause
"""The parts of FARGAN: its sizes, its two graphs and the embedding of the period.

A frame-rate network turns features into four conditioning vectors, one for each step. A step speaks
40 samples from its vector, a period of the past repeated, the last 40 samples and, in our own
topology, some noise. Sizes follow from the weights, so one engine speaks with any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.features.floats import MAX_PERIOD, MIN_PERIOD
from quantize.features.integers import FEATURE_FRAC, FEATURES
from quantize.nn.graph import (
    Activation,
    Conv1d,
    Dense,
    Format,
    Glu,
    Graph,
    Gru,
    MatrixShape,
    Node,
    Slice,
)
from quantize.nn.model import QuantisedModel
from quantize.nn.weights import Weights

FRAME: Final = 160
STEP: Final = 40  # samples spoken at once
STEPS: Final = FRAME // STEP
HISTORY: Final = 256  # past samples that a step can see
AROUND: Final = 2  # samples of the repeated period to each side of those that it predicts
PREDICTED: Final = STEP + 2 * AROUND
HEARD: Final = 2 * STEP  # inputs of a deeper layer that are samples: weighed prediction, last ones
TAPS: Final = 4  # weights of the prediction, one for each of the layers that hear it
PERIODS: Final = MAX_PERIOD - MIN_PERIOD  # rows of the embedding: the longest two share the last
MOST_UNITS: Final = 1024
GAIN_FRAC: Final = 11  # of the gain's logarithm: +-16
TAP_FRAC: Final = 12
CONDITION: Final = "fargan_condition"
STEP_NET: Final = "fargan_step"
EMBEDDING: Final = "cond_net_pembed"
_EIGHT: Final = 8  # sizes are multiples of this, so that vectors lie side by side on words


@dataclass(frozen=True)
class Topology:
    """The sizes of a network; all are multiples of 8, except that noise is one of 4 or 0."""

    conditioning: int  # values of a step's vector
    first: int  # units of the layer that sees this step's and the last step's inputs
    gru: tuple[int, int, int]
    skip: int
    noise: int  # uniform values within +-1 that each step draws
    embedding: int
    dense: int
    conv: int

    @property
    def inputs(self) -> int:
        """Inputs of the first layer that belong to one step."""
        return self.conditioning + PREDICTED + STEP + self.noise

    @property
    def skip_inputs(self) -> int:
        """Inputs of the layer that sees all layers before it."""
        return sum(self.gru) + self.first + HEARD

    @property
    def gru_inputs(self) -> tuple[int, int, int]:
        """Inputs of each GRU, without its state."""
        return self.first + HEARD, self.gru[0] + HEARD, self.gru[1] + HEARD


@dataclass(frozen=True)
class FarganParts:
    """The networks and the embedding of a voice.

    The two graphs are `condition_graph` and `step_graph` of the same topology.
    """

    condition: QuantisedModel
    step: QuantisedModel
    periods: npt.NDArray[np.int16]  # [224, embedding] Q10: of periods from 32 samples on
    source: dict[str, str]

    @property
    def topology(self) -> Topology:
        """The sizes of the networks."""
        return topology_of_graphs(self.condition.graph, self.step.graph)

    @property
    def networks(self) -> tuple[QuantisedModel, QuantisedModel]:
        """Both networks, in the order of their run."""
        return self.condition, self.step


OPUS: Final = Topology(
    conditioning=80, first=192, gru=(160, 128, 128), skip=128, noise=0, embedding=12, dense=64,
    conv=128,
)  # fmt: skip


def condition_graph(sizes: Topology) -> Graph:
    """Build the frame-rate network: features and the period's embedding to four vectors.

    The step on frame t + 1 gives the vectors of frame t.
    """
    heard = Slice("features", 0, FEATURES + sizes.embedding)
    dense, conv = Slice("dense", 0, sizes.dense), Slice("conv", 0, sizes.conv)
    out = Slice("conditioning", 0, STEPS * sizes.conditioning)
    tanh = Activation.TANH
    return Graph(
        name=CONDITION,
        inputs=("features",),
        outputs=("conditioning",),
        buffers={part.buffer: part.size for part in (heard, dense, conv, out)},
        nodes=(
            Dense("cond_net_fdense1", heard, dense, tanh),
            Conv1d("cond_net_fconv1", dense, conv, 1, tanh, taps=3),
            Dense("cond_net_fdense2", conv, out, tanh),
        ),
        formats={"conditioning": Format.Q15},
        fracs={"features": FEATURE_FRAC},
    )


def step_graph(sizes: Topology) -> Graph:
    """Build the list of a step's layers.

    quantize.vocoder.fargan.cells runs them and puts their inputs side by side, which nodes of a
    graph cannot do. So each layer's input is an input of the graph here.
    """
    tanh, linear = Activation.TANH, Activation.LINEAR
    nodes: list[Node] = []
    buffers: dict[str, int] = {}
    inputs: list[str] = []

    def place(name: str, size: int, given: bool = False) -> Slice:
        buffers[name] = size
        if given:
            inputs.append(name)
        return Slice(name, 0, size)

    vector = place("vector", sizes.conditioning, given=True)
    nodes.append(Dense("sig_net_cond_gain_dense", vector, place("gain", 1), linear))
    heard, first = place("heard", 2 * sizes.inputs, given=True), place("first", sizes.first)
    nodes.append(Dense("sig_net_fwc0_conv", heard, first, tanh))
    gated = place("first_gated", sizes.first)
    nodes.append(Glu("sig_net_fwc0_glu_gate", first, gated))
    nodes.append(Dense("sig_net_gain_dense_out", gated, place("taps", TAPS), linear))
    for k, (units, width) in enumerate(zip(sizes.gru, sizes.gru_inputs, strict=True), 1):
        state = place(f"state{k}", units)
        nodes.append(Gru(f"sig_net_gru{k}", place(f"heard{k}", width, given=True), state))
        nodes.append(Glu(f"sig_net_gru{k}_glu_gate", state, place(f"gated{k}", units)))
    skip = place("skip", sizes.skip)
    all_heard = place("heard_all", sizes.skip_inputs, given=True)
    nodes.append(Dense("sig_net_skip_dense", all_heard, skip, tanh))
    joined = place("skip_gated", sizes.skip)
    nodes.append(Glu("sig_net_skip_glu_gate", skip, joined))
    nodes.append(Dense("sig_net_sig_dense_out", joined, place("shape", STEP), tanh))
    q15 = ("vector", "first", "first_gated", "state1", "state2", "state3", "skip", "shape")
    x8 = ("heard", "heard1", "heard2", "heard3", "heard_all")
    return Graph(
        name=STEP_NET,
        inputs=tuple(inputs),
        outputs=("gain", "taps", "shape"),
        buffers=buffers,
        nodes=tuple(nodes),
        formats={**dict.fromkeys(q15, Format.Q15), **dict.fromkeys(x8, Format.X8)},
        fracs={"gain": GAIN_FRAC, "taps": TAP_FRAC},
    )


def shapes(sizes: Topology) -> Iterable[MatrixShape]:
    """Yield every matrix of both networks."""
    for graph in (condition_graph(sizes), step_graph(sizes)):
        yield from graph.matrices()


def topology_of(layers: Mapping[str, Weights], where: str) -> Topology:
    """Return the sizes that weights have, named as libopus names them.

    Raises InputError if a layer is missing, or for sizes that no FARGAN has.
    """

    def rows(name: str) -> int:
        if name not in layers:
            raise InputError(f"{where}: layer {name} is missing; is it FARGAN?")
        return int(layers[name].matrix.shape[0])

    conditioning = rows("cond_net_fdense2") // STEPS
    rows("sig_net_fwc0_conv")
    rows(EMBEDDING)
    inputs = layers["sig_net_fwc0_conv"].matrix.shape[1] // 2
    gru = tuple(rows(f"sig_net_gru{k}_input") // 3 for k in (1, 2, 3))
    sizes = Topology(
        conditioning=conditioning,
        first=rows("sig_net_fwc0_conv"),
        gru=(gru[0], gru[1], gru[2]),
        skip=rows("sig_net_skip_dense"),
        noise=inputs - conditioning - PREDICTED - STEP,
        embedding=int(layers[EMBEDDING].matrix.shape[1]),
        dense=rows("cond_net_fdense1"),
        conv=rows("cond_net_fconv1"),
    )
    try:
        check_sizes(sizes)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return sizes


def topology_of_graphs(condition: Graph, step: Graph) -> Topology:
    """Return the sizes of two graphs; InputError unless they are FARGAN's, of one topology."""
    try:
        sizes = Topology(
            conditioning=step.buffers["vector"],
            first=step.buffers["first"],
            gru=(step.buffers["state1"], step.buffers["state2"], step.buffers["state3"]),
            skip=step.buffers["skip"],
            noise=step.buffers["heard"] // 2 - step.buffers["vector"] - PREDICTED - STEP,
            embedding=condition.buffers["features"] - FEATURES,
            dense=condition.buffers["dense"],
            conv=condition.buffers["conv"],
        )
    except KeyError as error:
        raise InputError(f"its networks are not FARGAN's: no {error}") from None
    check_sizes(sizes)
    if condition != condition_graph(sizes) or step != step_graph(sizes):
        raise InputError("its networks are not FARGAN's, or not of one voice")
    return sizes


def check_sizes(sizes: Topology) -> None:
    """Raise InputError for sizes that the engine does not run."""
    units = (sizes.conditioning, sizes.first, *sizes.gru, sizes.skip, sizes.dense, sizes.conv)
    for size in units:
        if size % _EIGHT or not 0 < size <= MOST_UNITS:
            raise InputError(f"FARGAN with a layer of {size}: want multiples of 8 up to 1024")
    if sizes.noise % 4 or not 0 <= sizes.noise <= MOST_UNITS:
        raise InputError(f"FARGAN with {sizes.noise} noise inputs: want a multiple of 4, or none")
    if not 0 < sizes.embedding <= MOST_UNITS:
        raise InputError(f"FARGAN with an embedding of {sizes.embedding}: want 1 to 1024")
