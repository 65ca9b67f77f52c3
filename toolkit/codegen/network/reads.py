# SPDX-License-Identifier: BSD-3-Clause
"""Count how often weights are read, and how many reads of slow memory a batch of steps saves.

The numbers are computed from the sizes of the tables and the order of the calls (batch.py). They
are not measured, and they do not count what a cache keeps from one pass to the next.
"""

from dataclasses import dataclass
from typing import Any, Final

from quantize.nn.batch import MOST_STEPS
from quantize.nn.graph import Gru
from toolkit.codegen.network.arena import plan
from toolkit.codegen.packing.pack import Packed, PackedNetwork

CHUNKS_A_SECOND: Final = 25  # of the RDO-VAE decoder: 40 ms each

# How many vectors one pass of firmware/dredkit/nn/<isa>/matvec8_batch.c over a packed matrix may
# serve, the largest number first, where the matrix has up to BATCH_COLS columns. These ISAs take
# vectors one by one over plain tables. Portable C serves up to four vectors in a pass over plain
# tables. NEON's kernel reads rows again from the first cache.
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
    """Bytes of weights that the products of a node read in one call of `steps` steps."""

    name: str
    steps: int
    bytes: int

    def per_second(self, steps_a_second: int) -> int:
        """Return the bytes read in a second, rounded to the nearest byte."""
        return round(self.bytes * steps_a_second / self.steps)


def passes(packed: Packed, steps: int) -> int:
    """Return how often dk_matvec8_batch or dk_matvec16_batch reads a matrix for `steps` steps."""
    if packed.matrix.is_wide:
        return steps
    choices = MATVEC8_STEPS.get(packed.isa, (1,)) if packed.matrix.cols <= BATCH_COLS else (1,)
    if packed.is_plain:
        choices = (1,) if packed.isa in MATVEC8_STEPS else _PLAIN_STEPS
    count = 0
    for choice in choices:
        count += steps // choice
        steps %= choice
    return count


def layer_reads(network: PackedNetwork, steps: int) -> list[LayerReads]:
    """Return what each node reads when `steps` steps run at once.

    The product of a GRU's state waits for the state, so each step reads its weights.
    """
    found = []
    for node in network.model.graph.nodes:
        total = 0
        for shape in node.matrices:
            packed = network.matrices[shape.name]
            waits = isinstance(node, Gru) and shape.name == f"{node.name}_recurrent"
            total += (steps if waits else passes(packed, steps)) * packed.bytes
        found.append(LayerReads(node.name, steps, total))
    return found


def reads_of(network: PackedNetwork, batch: int) -> dict[str, Any]:
    """Return the manifest's entry on the reads of a receiver's decoder.

    It has the bytes read to decode a second of audio `batch` chunks at a time and one by one, in
    all and by layer, and the bytes and the scratch of every batch that is possible.
    """
    each = {steps: layer_reads(network, steps) for steps in range(1, MOST_STEPS + 1)}
    choices = [
        {
            "batch": steps,
            "bytes_per_second": sum(layer.per_second(CHUNKS_A_SECOND) for layer in layers),
            "scratch_bytes": plan(network.model, steps).scratch_bytes,
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
