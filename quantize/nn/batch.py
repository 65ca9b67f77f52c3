# SPDX-License-Identifier: BSD-3-Clause
"""Tell which networks can run several steps at once.

Every layer is causal, so the order of layers and steps is free: layer by layer over several steps
gives the same bits as step by step. Only a GRU's states depend on each other.
"""

from typing import Final

from quantize.errors import InputError
from quantize.nn.graph import Conv2d, Glu, Graph, Slice

MOST_STEPS: Final = 4  # at once: what an answer of firmware/server/receiver/engine.c has room for


def check_batch(graph: Graph, batch: int) -> None:
    """Raise InputError unless `batch` steps of a network can run at once."""
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
    """Whether rows of this part of a buffer follow each other without a gap."""
    return part.start == 0 and part.size == graph.buffers[part.buffer]
