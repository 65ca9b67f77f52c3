# SPDX-License-Identifier: BSD-3-Clause
"""The base class of stages; stage.py and receiver.py have the stages themselves."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quantize.codec.sender import HEARD_RATE
from quantize.nn.model import QuantisedModel

Int16s = npt.NDArray[np.int16]

HASH_BYTES = 16  # DK_MODEL_HASH_BYTES of firmware/server/include/dredkit/engine.h


@dataclass(frozen=True)
class Reference:
    """The right results: every layer's values [steps, size], and every step's output by name."""

    layers: dict[str, Int16s]
    outputs: dict[str, Int16s]


@dataclass(frozen=True)
class Playback:
    """What a run that speaks played, and to which part of it each step belongs.

    `kinds` names the op of each step, and `slots` the 20 ms of `pcm` that it belongs to. `pcm` is
    int16 at 16 kHz. `gaps` are the spans (first, packets) that were lost. Without gaps the
    recording would have been played unchanged, `delay` samples late.
    """

    kinds: list[str]
    slots: list[int]
    gaps: list[tuple[int, int]]
    delay: int
    pcm: Int16s


class Stage(ABC):
    """What a board can run: a step takes input bytes and gives output bytes and a trace of layers.

    A stage knows its layers. It makes step inputs from a recording, computes the right results for
    them, and reads the output of a step. Sizes are in bytes a step.
    """

    name: str
    hash: str
    networks: tuple[QuantisedModel, ...]
    layers: list[tuple[str, int]]
    input_bytes: int
    output_bytes: int
    input_rate = HEARD_RATE  # of the recording, in samples a second
    rest = "rest"  # what a step does after its last layer
    settling = 0  # steps from a cold start until the cost of a step stops growing

    @property
    def settings(self) -> dict[str, int | bool]:
        """The caller's settings of the stage, by name."""
        return {}

    @property
    def trace_bytes(self) -> int:
        """Bytes of a step's layer trace, in which every value is an int16."""
        return sum(2 * size for _, size in self.layers)

    @property
    def scheme(self) -> str:
        return self.networks[0].scheme

    @property
    def source(self) -> dict[str, str]:
        """Where the weights came from: texts by name."""
        return {
            key if len(self.networks) == 1 else f"{network.graph.name}.{key}": value
            for network in self.networks
            for key, value in network.source.items()
        }

    @property
    def frac(self) -> dict[str, int]:
        """Fractional bits of every input and output of the networks."""
        return {name: bits for n in self.networks for name, bits in n.frac.items()}

    def playback(self, inputs: Int16s, outputs: dict[str, Int16s]) -> Playback | None:
        """Return what a run played; None for a stage that does not speak."""
        return None

    def voice_frames(self, kind: str) -> tuple[int, int] | None:
        """Return how many frames of 10 ms a voice speaks or runs over in an op, and is told of.

        Returns None for an op without a voice.
        """
        return None

    @abstractmethod
    def inputs(self, audio: Path) -> Int16s:
        """Return the inputs of every step, [steps, input_bytes / 2]; InputError for bad audio."""

    @abstractmethod
    def reference(self, inputs: Int16s) -> Reference:
        """Run the normative arithmetic."""

    @abstractmethod
    def outputs(self, rows: Sequence[bytes]) -> dict[str, Int16s]:
        """Read the output bytes of steps: name -> [steps, size], with the names of Reference."""
