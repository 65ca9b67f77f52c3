# SPDX-License-Identifier: BSD-3-Clause
"""A receiver's voice for the generator: its C files, and its layers for the manifest."""

from typing import Any

from quantize.receiver import STEP
from quantize.vocoder import lpcnet_cells as cells
from quantize.vocoder.lpcnet_model import LpcnetModel
from quantize.vocoder.voices import VoiceModel
from quantize.weights import BLOCK_COLS, BLOCK_ROWS
from toolkit.codegen.lpcnet import lpcnet_files


def voice_files(voice: VoiceModel, isa: str) -> dict[str, str]:
    """Return the generated C of a voice; pulses need none."""
    return {} if isinstance(voice, str) else lpcnet_files(voice, isa)


def sample_layers(voice: VoiceModel) -> list[dict[str, Any]]:
    """Layers that run once a sample, `times` in the 20 ms that are spoken at once."""
    if isinstance(voice, str):
        return []
    rows = [
        _layer(name, "Gru" if "recurrent" in name else "Dense", matrix.weights.shape, matrix.macs)
        | {"flash_bytes": matrix.stored_bytes + 4 * biases}
        for name, matrix, biases in (
            ("gru_a_recurrent", voice.a, voice.units_a),
            ("gru_b_input", voice.b_input, 0),
            ("gru_b_recurrent", voice.b, voice.units_b),
        )
    ]
    embedding = _layer("embeddings", "Embedding", (3 * voice.units_a, 3 * cells.CODES), 0)
    embedding["flash_bytes"] = _bytes(voice, "tables", "table_scale", "pitch")
    tree = _layer(
        "dual_fc", "Tree", (cells.BITS, 2 * voice.units_b), 2 * cells.BITS * voice.units_b
    )
    tree |= {"weights": "int16", "flash_bytes": _bytes(voice, "tree_weights", "tree_bias")}
    tree["flash_bytes"] += _bytes(voice, "tree_scale")
    return [embedding, *rows, tree]


def _layer(name: str, op: str, shape: tuple[int, ...], macs: int) -> dict[str, Any]:
    return {
        "name": name,
        "op": op,
        "inputs": shape[1],
        "outputs": shape[0],
        "weights": "int8" if not macs else f"int8 {BLOCK_ROWS}x{BLOCK_COLS} sparse",
        "times": STEP,
        "macs": macs,
        "dense_macs": shape[0] * shape[1],
    }


def _bytes(voice: LpcnetModel, *names: str) -> int:
    return sum(int(getattr(voice, name).nbytes) for name in names)
