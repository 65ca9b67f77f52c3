# SPDX-License-Identifier: BSD-3-Clause
"""How often weights are read: what running several steps at once saves of slow memory.

Computed from the sizes of the tables and the order of the calls (batch.py), not measured: what a
cache keeps from one pass to the next is not counted.
"""

from dataclasses import dataclass
from typing import Any, Final

from quantize.nn.batch import MOST_STEPS
from quantize.nn.graph import Gru
from quantize.nn.model import QuantisedMatrix, QuantisedModel
from toolkit.codegen.network.arena import plan
from toolkit.codegen.packing.pack import table_bytes, tables

CHUNKS_A_SECOND: Final = 25  # of the RDO-VAE decoder: 40 ms each

# How many vectors one pass of firmware/dredkit/nn/<isa>/matvec8_batch.c over a packed matrix may serve, the
# most first, where the matrix has up to BATCH_COLS columns. ISAs without such a file take vectors
# one by one; plain tables serve up to four anywhere. NEON's takes rows again from the first cache.
MATVEC8_STEPS: Final = {
    "simd32": (2, 1),
    "mve": (4, 2, 1),
    "neon": (4, 3, 2, 1),
    "dotprod": (4, 3, 2, 1),
}
BATCH_COLS: Final = 640
_PLAIN_STEPS: Final = (4, 3, 2, 1)


@dataclass(frozen=True)
class LayerReads:
    """Bytes of weights that a node's products read in one call of `steps` steps."""

    name: str
    steps: int
    bytes: int

    def per_second(self, steps_a_second: int) -> int:
        """Bytes read in a second, to the nearest one."""
        return round(self.bytes * steps_a_second / self.steps)


def passes(matrix: QuantisedMatrix, isa: str, steps: int) -> int:
    """How often dk_matvec8_batch, or dk_matvec16_batch, goes through a matrix for `steps` steps."""
    if matrix.is_wide:
        return steps
    choices = MATVEC8_STEPS.get(isa, (1,)) if matrix.cols <= BATCH_COLS else (1,)
    if "bias" in tables(matrix, isa):
        # Which those kernels take one by one.
        choices = (1,) if isa in MATVEC8_STEPS else _PLAIN_STEPS
    count = 0
    for choice in choices:
        count += steps // choice
        steps %= choice
    return count


def layer_reads(model: QuantisedModel, isa: str, steps: int) -> list[LayerReads]:
    """What each node reads when `steps` steps run at once. A state's product waits for the state:
    it is done at every step."""
    found = []
    for node in model.graph.nodes:
        total = 0
        for shape in node.matrices:
            matrix = model.matrices[shape.name]
            waits = isinstance(node, Gru) and shape.name == f"{node.name}_recurrent"
            times = steps if waits else passes(matrix, isa, steps)
            total += times * table_bytes(matrix, isa)
        found.append(LayerReads(node.name, steps, total))
    return found


def reads_of(model: QuantisedModel, isa: str, batch: int) -> dict[str, Any]:
    """What a manifest says of a receiver's decoder: bytes read for a second of audio that is
    decoded `batch` chunks at a time, with and without, by layer; and what each batch would take."""
    each = {steps: layer_reads(model, isa, steps) for steps in range(1, MOST_STEPS + 1)}
    choices = [
        {
            "batch": steps,
            "bytes_per_second": sum(layer.per_second(CHUNKS_A_SECOND) for layer in layers),
            "scratch_bytes": plan(model, steps).scratch_bytes,
        }
        for steps, layers in each.items()
    ]
    return {
        "batch": batch,
        "bytes_per_second": choices[batch - 1]["bytes_per_second"],
        "bytes_per_second_one_by_one": choices[0]["bytes_per_second"],
        "layers": [
            {
                "name": one.name,
                "bytes_per_second": many.per_second(CHUNKS_A_SECOND),
                "bytes_per_second_one_by_one": one.per_second(CHUNKS_A_SECOND),
            }
            for one, many in zip(each[1], each[batch], strict=True)
        ],
        "choices": choices,
    }
