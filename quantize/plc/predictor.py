# SPDX-License-Identifier: BSD-3-Clause
"""The network that predicts the features of lost frames: its inputs and its run.

It takes a known frame as 36 Burg cepstra, 20 features and a flag, and a lost one as zeros, and
returns the features of the frame after it (docs/FORMAT.md, section 6). Each gap starts it again.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from quantize.dsp.scalar import Ints, rounded, saturate
from quantize.dsp.spectrum import CEPSTRUM_FRAC
from quantize.features.integers import FEATURE_FRAC, FRAME
from quantize.nn.model import QuantisedModel
from quantize.nn.run import IntegerRunner
from quantize.nn.topologies import PREDICTOR_INPUTS, predictor
from quantize.plc import burg

HEARD: Final = 1 << FEATURE_FRAC  # the flag of a frame that was heard


LOST_INPUT: Final[Ints] = np.zeros(PREDICTOR_INPUTS, np.int64)


def heard_inputs(pcm: Ints, features: Ints) -> Ints:
    """Return the inputs [frames, 57] Q10 of the last frames of samples; they have `features`."""
    frames = len(features)
    cepstra = burg.cepstra(pcm.reshape(-1, FRAME)[-frames:])
    narrow = saturate(rounded(cepstra, CEPSTRUM_FRAC - FEATURE_FRAC), 16)
    return np.concatenate([narrow, features, np.full((frames, 1), HEARD)], axis=1)


def read_predictor(data: bytes, where: str) -> QuantisedModel:
    """Read a quantised predictor of any size; `where` names it in the InputError for another."""
    model = QuantisedModel.from_bytes(data, where)
    sizes = [node.output.size for node in model.graph.nodes[:2]]
    return QuantisedModel.for_graph(data, where, predictor(*sizes))


class Predictor:
    """Predicts one frame after another."""

    def __init__(self, model: QuantisedModel) -> None:
        self._runner = IntegerRunner(model)
        self._last = model.graph.nodes[-1].name

    def start(self, known: list[Ints]) -> None:
        """Start from rest and take the inputs [57] of known frames, oldest first."""
        self._runner.reset()
        for row in known:
            self._step(row)

    def predict(self) -> Ints:
        """Return the features [20] Q10 of the next lost frame."""
        return self._step(LOST_INPUT)

    def _step(self, row: Ints) -> Ints:
        (name,) = self._runner.model.graph.inputs
        return self._runner.step({name: row})[self._last]
