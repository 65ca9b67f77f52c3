# SPDX-License-Identifier: BSD-3-Clause
"""What every stage has in common: toolkit/stages/stage.py has those of networks and of the sender."""

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
    """What is right: every layer's values [steps, size], and every step's output by name."""

    layers: dict[str, Int16s]
    outputs: dict[str, Int16s]


@dataclass(frozen=True)
class Playback:
    """What a run that speaks played, and when its steps were.

    `kinds` names what each step was asked for and `slots` which 20 ms of `pcm` it belongs to, int16
    at 16 kHz; `gaps` are spans (first, packets) that were lost. Without them the recording would
    have been played as it is, `delay` samples late.
    """

    kinds: list[str]
    slots: list[int]
    gaps: list[tuple[int, int]]
    delay: int
    pcm: Int16s


class Stage(ABC):
    """A stage knows its layers, how a recording becomes the inputs of its steps, what is right for
    them, and how a step's output is to be read. Sizes are in bytes a step."""

    name: str
    hash: str
    networks: tuple[QuantisedModel, ...]
    layers: list[tuple[str, int]]
    input_bytes: int
    output_bytes: int
    input_rate = HEARD_RATE  # samples a second of the recording that a step is made of
    rest = "rest"  # what a step does after its last layer
    settling = 0  # steps from a cold start until a step costs what it will cost from then on

    @property
    def settings(self) -> dict[str, int | bool]:
        """What the caller asked of the stage, by name."""
        return {}

    @property
    def trace_bytes(self) -> int:
        """Bytes of a step's layer trace: int16 each."""
        return sum(2 * size for _, size in self.layers)

    @property
    def scheme(self) -> str:
        return self.networks[0].scheme

    @property
    def source(self) -> dict[str, str]:
        """Where the weights came from."""
        return {
            key if len(self.networks) == 1 else f"{network.graph.name}.{key}": value
            for network in self.networks
            for key, value in network.source.items()
        }

    @property
    def frac(self) -> dict[str, int]:
        """Fractional bits of every in- and output of the networks."""
        return {name: bits for n in self.networks for name, bits in n.frac.items()}

    def playback(self, inputs: Int16s, outputs: dict[str, Int16s]) -> Playback | None:
        """What a run played, if it speaks at all."""
        return None

    @abstractmethod
    def inputs(self, audio: Path) -> Int16s:
        """Inputs of every step, [steps, input_bytes / 2]; InputError for bad audio."""

    @abstractmethod
    def reference(self, inputs: Int16s) -> Reference:
        """Run the normative arithmetic."""

    @abstractmethod
    def outputs(self, rows: Sequence[bytes]) -> dict[str, Int16s]:
        """Read the output bytes of steps: name -> [steps, size]; names are those of Reference."""
