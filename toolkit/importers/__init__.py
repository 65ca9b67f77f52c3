# SPDX-License-Identifier: BSD-3-Clause
"""Readers of weights: the file says by its first bytes which one it is for."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from quantize.errors import InputError
from quantize.graph import Graph
from quantize.weights import Weights, fit
from toolkit.importers import dnnw
from toolkit.importers.checkpoint import read_checkpoint

_CHECKPOINTS = Path(__file__).resolve().parents[2] / "quantize" / "checkpoints"
SHIPPED = _CHECKPOINTS / "rdovae.safetensors"
SHIPPED_PITCH = _CHECKPOINTS / "pitch.safetensors"
SHIPPED_VOICE = _CHECKPOINTS / "lpcnet-edge.safetensors"

TORCH_SUFFIXES = (".pt", ".pth")  # of checkpoints that torch wrote, for lpcnet_torch.py


@dataclass(frozen=True)
class FloatModel:
    """The layers that a graph needs, and where they came from."""

    layers: dict[str, Weights]
    source: dict[str, str]


def load_model(path: Path, graph: Graph) -> FloatModel:
    """Read the layers of `graph` from an Opus blob or a checkpoint.

    Raises InputError for a file that is neither, is damaged, or lacks a layer or has other shapes.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give an Opus 'DNNw' blob or a .safetensors file")
    shapes = list(graph.matrices())
    data = path.read_bytes()
    if data[: len(dnnw.MAGIC)] == dnnw.MAGIC or path.suffix == ".bin":
        kind, layers = "opus-blob", dnnw.read_blob(path, {s.name: s.cols for s in shapes})
    else:
        kind, layers = "checkpoint", read_checkpoint(path)
    chosen = fit(shapes, layers, str(path))
    source = {"name": path.name, "kind": kind, "sha256": hashlib.sha256(data).hexdigest()}
    return FloatModel({layer.name: layer for layer in chosen}, source)


def has_layers(path: Path, graph: Graph) -> bool:
    """Whether a weight file holds the layers of `graph`; a file that is none simply does not."""
    try:
        load_model(path, graph)
    except InputError:
        return False
    return True
