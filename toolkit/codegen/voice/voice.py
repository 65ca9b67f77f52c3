# SPDX-License-Identifier: BSD-3-Clause
"""A receiver's voice for the generator: its C files, and its layers for the manifest."""

from collections.abc import Mapping
from typing import Any

from quantize.codec.receiver import STEP
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS
from quantize.vocoder.lpcnet import cells
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.lpcnet.parts import HEARD, BlockMatrix
from quantize.vocoder.voices import VoiceModel
from toolkit.codegen.network.tables import Place, nowhere
from toolkit.codegen.packing.pack import PackedNetwork
from toolkit.codegen.voice.lpcnet import STORED, lpcnet_files
from toolkit.targets.isas import chain


def voice_files(
    voice: VoiceModel, packed: Mapping[str, PackedNetwork], place: Place = nowhere
) -> dict[str, str]:
    """Return the generated C of a voice, whose networks are in `packed`; pulses need none."""
    if isinstance(voice, str):
        return {}
    return lpcnet_files(voice, packed[voice.condition.graph.name], place)


def sample_layers(voice: VoiceModel, isa: str) -> list[dict[str, Any]]:
    """Return the layers that run once a sample: `times` in the 20 ms that are spoken at once.

    A run reads all of a matrix. Of the embeddings it reads one row for each code that is heard; of
    the tree it reads the nodes on the way down.
    """
    if isinstance(voice, str):
        return []
    a, b = voice.units_a, voice.units_b
    kind = "int16" if "simd32" in chain(isa) else "int8"
    layers = []
    for name, matrix, biases in (
        ("gru_a_recurrent", voice.a, a),
        ("gru_b_input", voice.b_input, 0),
        ("gru_b_recurrent", voice.b, b),
    ):
        op = "Gru" if "recurrent" in name else "Dense"
        stored = _stored(matrix, isa) + 4 * biases
        weights = f"{kind} {BLOCK_ROWS}x{BLOCK_COLS} sparse"
        shape = matrix.weights.shape
        layers.append(_layer(name, op, shape, weights, matrix.macs, stored, stored))
    tables = _bytes(voice, "tables", "table_scale", "pitch")
    rows = HEARD * 3 * a + 2 * 3 * a  # int8, and their int16 scales
    embedding = _layer("embeddings", "Embedding", (3 * a, 3 * cells.CODES), "int8", 0, tables, rows)
    tables = _bytes(voice, "tree_weights", "tree_bias", "tree_scale")
    macs = 2 * cells.BITS * b
    nodes = tables * cells.BITS // cells.CODES
    tree = _layer("dual_fc", "Tree", (cells.BITS, 2 * b), "int16", macs, tables, nodes)
    return [embedding, *layers, tree]


def _layer(
    name: str, op: str, shape: tuple[int, ...], weights: str, macs: int, stored: int, read: int
) -> dict[str, Any]:
    sizes = {"macs": macs, "bytes": stored, "read_bytes": read}
    return {
        "name": name,
        "op": op,
        "inputs": shape[1],
        "outputs": shape[0],
        "weights": weights,
        "times": STEP,
        "macs": macs,
        "dense_macs": shape[0] * shape[1],
        "flash_bytes": stored,
        "tables": [{"name": name, "weights": weights.split()[0], **sizes}],
    }


def _stored(matrix: BlockMatrix, isa: str) -> int:
    """Return the bytes of a matrix as toolkit/codegen/voice/lpcnet.py writes it for an ISA."""
    own = next(name for name in chain(isa) if name in STORED)
    width = 2 if own == "simd32" else 1  # bytes of a stored number
    weights, index = STORED[own](matrix)
    return int(width * weights.size + (0 if index is None else index.size))


def _bytes(voice: LpcnetModel, *names: str) -> int:
    return sum(int(getattr(voice, name).nbytes) for name in names)
