# SPDX-License-Identifier: BSD-3-Clause
"""Readers of weights: the first bytes of a file say which reader takes it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import quantize
from quantize.errors import InputError
from quantize.files.reading import file_bytes
from quantize.files.tensor_file import parse
from quantize.nn.graph import Graph
from quantize.nn.topologies import predictor, predictor_like
from quantize.nn.weights import Weights, fit
from toolkit.models.importers import dnnw
from toolkit.models.importers.checkpoint import layers_of
from toolkit.models.importers.kinds import foreign, kind_of

_CHECKPOINTS = Path(quantize.__file__).resolve().parent / "checkpoints"
SHIPPED = _CHECKPOINTS / "rdovae.safetensors"
SHIPPED_PITCH = _CHECKPOINTS / "pitch.safetensors"
SHIPPED_VOICE = _CHECKPOINTS / "lpcnet-edge.safetensors"
SHIPPED_FARGAN = _CHECKPOINTS / "fargan-edge.safetensors"

# The kinds of sources that a model names.
BLOB = "opus-blob"
IMPORTED = "imported checkpoint"  # by `dredkit import`, from an Opus release or xiph's LPCNet
TRAINED = "checkpoint"

TORCH_SUFFIXES = (".pt", ".pth")  # of checkpoints that torch wrote, for lpcnet_torch.py


@dataclass(frozen=True)
class FloatModel:
    """The layers that a graph needs, and where they came from."""

    layers: dict[str, Weights]
    source: dict[str, str]


WANTED = "a .safetensors checkpoint or an Opus 'DNNw' blob"
_CURE = (
    "give an Opus 'DNNw' blob or a .safetensors file, which `dredkit import` makes of a "
    "release's folder"
)
_ENCODER = "DRED's encoder: a release's blob of it, or what `dredkit import` made of a release"
_DECODER = _ENCODER.replace("encoder", "decoder")
# What holds the layers of a network, for a message.
_HOMES = {
    "rdovae_enc": _ENCODER,
    "rdovae_dec": _DECODER,
    "rdovae_dec_init": _DECODER,
    "predictor": "the predictor of gaps: a release's plc.bin, or what `dredkit import` made of it",
    "pitch": "the pitch network: a release's blob of it, or the shipped checkpoint",
}


def load_model(path: Path, graph: Graph) -> FloatModel:
    """Read the layers of `graph` from an Opus blob or a checkpoint.

    Raises InputError for another file, for a damaged one, and for a missing layer or other shapes.
    """
    data = file_bytes(path, _CURE)
    shapes = list(graph.matrices())
    kind, layers = _layers(path, data, graph)
    if not layers.keys() & {shape.name for shape in shapes}:
        wanted = _HOMES.get(graph.name, f"the network {graph.name}")
        raise InputError(
            f"{path}: layer {shapes[0].name} is missing; is it another model? It is "
            f"{kind_of(data)}; wanted is {wanted}"
        )
    chosen = fit(shapes, layers, str(path))
    source = {"name": path.name, "kind": kind, "sha256": hashlib.sha256(data).hexdigest()}
    return FloatModel({layer.name: layer for layer in chosen}, source)


def load_predictor(path: Path) -> FloatModel | None:
    """Read the predictor of gaps, of any size, from an Opus blob or a checkpoint; None without one.

    Raises InputError as `load_model` does.
    """
    own = {shape.name for shape in predictor().matrices()}
    _, layers = _layers(path, file_bytes(path, _CURE), predictor())
    return load_model(path, predictor_like(layers)) if own & layers.keys() else None


def has_layers(path: Path, graph: Graph) -> bool:
    """Return whether a weight file has layers of `graph`, whether or not their shapes fit.

    Raises InputError for a file that is not a weight file or is damaged.
    """
    layers = _layers(path, file_bytes(path, _CURE), graph)[1]
    return any(shape.name in layers for shape in graph.matrices())


def _layers(path: Path, data: bytes, graph: Graph) -> tuple[str, dict[str, Weights]]:
    """Return the kind of a weight file and its layers; of a blob, only the layers of `graph`."""
    begins = dnnw.MAGIC.startswith(data[: len(dnnw.MAGIC)])
    error = None if data and begins else foreign(path, data, WANTED)
    if error is not None:
        raise error
    if (data and begins) or path.suffix == ".bin":
        cols = {shape.name: shape.cols for shape in graph.matrices()}
        return BLOB, dnnw.layers_of(dnnw.read_records(data, str(path)), cols, str(path))
    file = parse(data, str(path))
    return checkpoint_kind(file.notes), layers_of(file.tensors, path)


def checkpoint_kind(notes: Mapping[str, str]) -> str:
    """Say by a checkpoint's notes whether `dredkit import` made it or training did."""
    return IMPORTED if "source" in notes else TRAINED
