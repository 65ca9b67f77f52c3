# SPDX-License-Identifier: BSD-3-Clause
"""Check whether a network can run several steps at once.

Every layer is causal. Running layer by layer over several steps therefore gives the same bits as
running step by step. Only the states of a GRU depend on each other.
"""

from typing import Final

from quantize.errors import InputError
from quantize.nn.graph import Conv2d, Glu, Graph, Slice

MOST_STEPS: Final = 4  # at once: an answer of firmware/server/receiver/engine.c holds no more


def check_batch(graph: Graph, batch: int) -> None:
    """Raise InputError unless a network can run `batch` steps at once."""
    if not 1 <= batch <= MOST_STEPS:
        raise InputError(f"--batch {batch}: want 1..{MOST_STEPS} steps at once")
    for node in graph.nodes if batch > 1 else ():
        gated = isinstance(node, Glu) and not _is_whole(node.input, graph)
        part = graph.is_wide(node.output.buffer) and not _is_whole(node.output, graph)
        if isinstance(node, Conv2d) or gated or part:
            raise InputError(
                f"graph {graph.name}: {node.name} takes one step at a time: leave out --batch"
            )


def _is_whole(part: Slice, graph: Graph) -> bool:
    """Return whether rows of this part of a buffer follow each other without a gap."""
    return part.start == 0 and part.size == graph.buffers[part.buffer]
