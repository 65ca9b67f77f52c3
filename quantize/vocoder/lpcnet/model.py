# SPDX-License-Identifier: BSD-3-Clause
"""The file of a quantised LPCNet: written, hashed, read and checked.

quantize.vocoder.lpcnet.parts describes what it holds; quantize.vocoder.lpcnet.quantise makes it
from float weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.files import json_table as jsontable
from quantize.nn.model import QuantisedModel, read_blocks, read_source
from quantize.nn.model_file import ModelFile, pack, read_file, unpack
from quantize.vocoder.lpcnet.check import check
from quantize.vocoder.lpcnet.parts import MATRICES, BlockMatrix, LpcnetParts

FORMAT: Final = "dredkit-lpcnet-1"


@dataclass(frozen=True)
class LpcnetModel(LpcnetParts, ModelFile):
    """The parts of a voice as one file."""

    def to_bytes(self) -> bytes:
        """Serialise; equal models give equal bytes."""
        arrays: dict[str, npt.NDArray[Any]] = {name: getattr(self, name) for name in _ARRAYS}
        arrays["condition"] = np.frombuffer(self.condition.to_bytes(), np.uint8)
        for name in MATRICES:
            matrix: BlockMatrix = getattr(self, name)
            arrays[f"{name}.weights"] = matrix.weights
            arrays[f"{name}.blocks"] = matrix.blocks.astype(np.uint8)
        header = {
            "source": self.source,
            **{name: getattr(self, name) for name in _NUMBERS},
        }
        return pack(FORMAT, header, arrays)

    @staticmethod
    def load(path: Path) -> LpcnetModel:
        """Read a file written by `save`; raises InputError if it is anything else."""
        data = read_file(path, "no such quantised voice", "quantise an LPCNet first")
        return LpcnetModel.from_bytes(data, str(path))

    @staticmethod
    def from_bytes(data: bytes, where: str) -> LpcnetModel:
        """Read what `to_bytes` wrote; `where` names it in the InputError for anything else."""
        header, arrays = unpack(
            data, where, FORMAT, what="a quantised LPCNet", again="quantise the voice again"
        )
        try:
            parts: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
            for name in MATRICES:
                blocks = read_blocks(arrays[f"{name}.blocks"], name)
                parts[name] = BlockMatrix(arrays[f"{name}.weights"], blocks)
            parts |= {name: jsontable.whole(header[name], name, 0, 1 << 15) for name in _NUMBERS}
            parts["source"] = read_source(header)
            if arrays["condition"].dtype != np.uint8:
                raise InputError(f"its frame-rate network is {arrays['condition'].dtype}")
            parts["condition"] = QuantisedModel.from_bytes(
                arrays["condition"].tobytes(), "frame-rate network"
            )
            model = LpcnetModel(**parts)
            check(model)
        except KeyError as error:
            raise InputError(f"{where}: a quantised LPCNet without {error}") from error
        except InputError as error:
            raise InputError(f"{where}: {error}; quantise the voice again") from error
        return model


_ARRAYS: Final = (
    *("pitch", "tables", "table_scale", "a_bias", "b_bias"),
    *("tree_weights", "tree_bias", "tree_scale"),
)
_NUMBERS: Final = ("frac", "tree_frac", "scale_frac", "tail")
