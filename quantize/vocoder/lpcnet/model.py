# SPDX-License-Identifier: BSD-3-Clause
"""The quantised LPCNet: a frame-rate graph, integer tables of the sample loop. One file, one hash.

quantize.vocoder.lpcnet.cells says what the numbers mean, quantize.vocoder.lpcnet.quantise makes
them from float weights.
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
from quantize.vocoder.lpcnet import cells
from quantize.vocoder.lpcnet.check import check
from quantize.vocoder.lpcnet.parts import MATRICES, BlockMatrix

FORMAT: Final = "dredkit-lpcnet-1"


@dataclass(frozen=True)
class LpcnetModel(ModelFile):
    """All of a voice. GRU gates are in the order z, r, h; a and b are units of the GRUs.

    Pre-activations of the GRUs have 7 + `frac` fractional bits. The frame's share of them holds
    every bias but those of the candidates' recurrent halves, `a_bias` and `b_bias`.
    """

    condition: QuantisedModel  # graph lpcnet_condition
    pitch: npt.NDArray[np.int16]  # [225, width] Q10: what a period in samples, from 32, stands for
    tables: npt.NDArray[np.int8]  # [3, 256, 3 a]: times table_scale, what a code adds to A's gates
    table_scale: npt.NDArray[np.int16]  # [3 a]
    a: BlockMatrix  # [3 a, a]
    a_bias: npt.NDArray[np.int32]  # [a]
    b_input: BlockMatrix  # [3 b, a]
    b: BlockMatrix  # [3 b, b]
    b_bias: npt.NDArray[np.int32]  # [b]
    tree_weights: npt.NDArray[np.int16]  # [256, 2, b]: row n is node n of the tree, 0 unused
    tree_bias: npt.NDArray[np.int32]  # [256, 2]
    tree_scale: npt.NDArray[np.int16]  # [256, 2]
    frac: int  # of the weights of both GRUs
    tree_frac: int  # of tree_weights
    scale_frac: int  # of tree_scale
    tail: int  # Q15: bits rarer than this are never drawn
    source: dict[str, str]

    @property
    def units_a(self) -> int:
        return len(self.a_bias)

    @property
    def units_b(self) -> int:
        return len(self.b_bias)

    @property
    def gates_frac(self) -> int:
        """Fractional bits of the graph's outputs."""
        return self.condition.frac["gates_a"]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample, the tree's path included."""
        tree = cells.BITS * 2 * self.units_b
        return self.a.macs + self.b_input.macs + self.b.macs + tree

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
