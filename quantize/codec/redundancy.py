# SPDX-License-Identifier: BSD-3-Clause
"""From a payload to features, one 40-ms chunk at a time.

The initial state starts the decoder network. Then chunks run through it in the order of the
payload: newest first, backwards in time. A receiver decodes as many as it needs and no more.
This module defines firmware/dredkit/codec/redundancy.c.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize.dred.levels import dequantise, level_input, to_input
from quantize.dred.payload import MAX_CHUNKS, Payload, parse
from quantize.dred.tables import SCALE, EntropyTables
from quantize.errors import InputError
from quantize.integer import Ints
from quantize.nn.graph import Graph, Gru
from quantize.nn.model import QuantisedModel
from quantize.nn.run import IntegerRunner

CHUNK_FRAMES: Final = 4  # feature frames of a chunk, 10 ms each


def of_chunk(node: str, chunk: int) -> str:
    """Return the name of a node's output for chunk 0, 1, ... of several decoded at once."""
    return node if chunk == 0 else f"chunk{chunk}.{node}"


@dataclass(frozen=True)
class DecoderNetworks:
    """The networks of a decoder, and the tables that give symbols their meaning.

    `start` turns a coded state into the GRU states that `step`, the decoder, begins with. Their
    graphs are those of topologies.rdovae_decoder_init and topologies.rdovae_decoder.
    """

    start: QuantisedModel
    step: QuantisedModel
    tables: EntropyTables

    def state_input(self, payload: Payload) -> Ints:
        """Return the dequantised initial state [50] in the format that `start` takes."""
        scale = self.tables.states[SCALE, payload.header.q0]
        return to_input(dequantise(payload.state, scale), self.start.frac["initial_state"])

    def chunk_input(self, payload: Payload, chunk: int) -> Ints:
        """Return a dequantised chunk and its level [26] in the format that `step` takes."""
        at, frac = payload.header.level(chunk), self.step.frac["chunk"]
        values = dequantise(payload.chunks[chunk], self.tables.latents[SCALE, at])
        return np.append(to_input(values, frac), level_input(at, frac))

    @staticmethod
    def split(step: Graph, made: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Split the output of `start` [320] into the states of a decoder's GRUs, by name."""
        grus = [node for node in step.nodes if isinstance(node, Gru)]
        ends = np.cumsum([node.output.size for node in grus])
        parts = np.split(made, ends[:-1])
        return {gru.name: part for gru, part in zip(grus, parts, strict=True)}


class Redundancy:
    """Decodes one payload after another; `layers` has every layer's output of the last run."""

    def __init__(self, networks: DecoderNetworks) -> None:
        self._networks = networks
        self._runner = IntegerRunner(networks.step)
        self.payload: Payload | None = None
        self.decoded = 0
        self.layers: dict[str, Ints] = {}

    @property
    def chunks(self) -> int:
        """How many chunks the payload has, decoded or not."""
        return 0 if self.payload is None else len(self.payload.chunks)

    def begin(self, data: bytes, max_chunks: int = MAX_CHUNKS) -> int:
        """Parse an unverified payload, start the network and return the number of chunks.

        Raises PayloadError where `parse` does; there are no chunks then.
        """
        self.payload = None
        self.decoded = 0
        self.start(self.parse(data, max_chunks))
        return self.chunks

    def parse(self, data: bytes, max_chunks: int = MAX_CHUNKS) -> Payload:
        """Parse an unverified payload; raises PayloadError where quantize.dred.payload does."""
        return parse(data, self._networks.tables, max_chunks)

    def start(self, payload: Payload) -> None:
        """Set the network's states for the newest chunk of a payload."""
        start = self._networks.start
        self.layers = IntegerRunner(start).step(
            {"initial_state": self._networks.state_input(payload)}
        )
        made = self.layers[start.graph.nodes[-1].name]
        self._runner.reset(self._networks.split(self._networks.step.graph, made))
        self.payload = payload
        self.decoded = 0

    def chunk(self) -> Ints:
        """Decode the next older chunk: features [4, 20] Q10, newest frame first.

        Raises InputError if none is left.
        """
        if self.payload is None or self.decoded >= self.chunks:
            raise InputError("no chunk of a payload is left to decode")
        x = self._networks.chunk_input(self.payload, self.decoded)
        self.layers = self._runner.step({"chunk": x})
        self.decoded += 1
        last = self._networks.step.graph.nodes[-1].name
        return self.layers[last].reshape(CHUNK_FRAMES, -1)


def decode_features(networks: DecoderNetworks, data: bytes, max_chunks: int = MAX_CHUNKS) -> Ints:
    """Decode a whole payload to features [4 * chunks, 20] Q10, newest frame first.

    Raises PayloadError for a malformed payload.
    """
    redundancy = Redundancy(networks)
    count = redundancy.begin(data, max_chunks)
    frames = [redundancy.chunk() for _ in range(count)]
    return np.concatenate([np.zeros((0, 20), np.int64), *frames])
