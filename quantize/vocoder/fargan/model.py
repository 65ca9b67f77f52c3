# SPDX-License-Identifier: BSD-3-Clause
"""The file of a quantised FARGAN: written, hashed, read and checked.

quantize.vocoder.fargan.parts describes what it holds; quantize.vocoder.fargan.quantise makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.nn.model import QuantisedModel, read_source
from quantize.nn.model_file import ModelFile, pack, read_file, unpack
from quantize.vocoder.fargan.parts import PERIODS, FarganParts

FORMAT: Final = "dredkit-fargan-1"


@dataclass(frozen=True)
class FarganModel(FarganParts, ModelFile):
    """The parts of a voice as one file."""

    def to_bytes(self) -> bytes:
        """Serialise; equal models give equal bytes."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "condition": np.frombuffer(self.condition.to_bytes(), np.uint8),
            "step": np.frombuffer(self.step.to_bytes(), np.uint8),
            "periods": self.periods,
        }
        return pack(FORMAT, {"source": self.source}, arrays)

    @staticmethod
    def load(path: Path) -> FarganModel:
        """Read a file written by `save`; raises InputError if it is anything else."""
        data = read_file(path, "no such quantised voice", "quantise a FARGAN first")
        return FarganModel.from_bytes(data, str(path))

    @staticmethod
    def from_bytes(data: bytes, where: str) -> FarganModel:
        """Read what `to_bytes` wrote; `where` names it in the InputError for anything else."""
        header, arrays = unpack(
            data, where, FORMAT, what="a quantised FARGAN", again="quantise the voice again"
        )
        try:
            for name in ("condition", "step"):
                if arrays[name].dtype != np.uint8:
                    raise InputError(f"its network {name} is {arrays[name].dtype}")
            model = FarganModel(
                QuantisedModel.from_bytes(arrays["condition"].tobytes(), "frame-rate network"),
                QuantisedModel.from_bytes(arrays["step"].tobytes(), "step network"),
                arrays["periods"],
                read_source(header),
            )
            check(model)
        except KeyError as error:
            raise InputError(f"{where}: a quantised FARGAN without {error}") from error
        except InputError as error:
            raise InputError(f"{where}: {error}; quantise the voice again") from error
        return model


def check(model: FarganParts) -> None:
    """Raise InputError unless a voice has the graphs and shapes that the C relies on."""
    wanted = (PERIODS, model.topology.embedding)
    if model.periods.dtype != np.int16 or model.periods.shape != wanted:
        raise InputError(
            f"the period's embedding is {model.periods.dtype}{list(model.periods.shape)}, "
            f"expected int16{list(wanted)}"
        )
