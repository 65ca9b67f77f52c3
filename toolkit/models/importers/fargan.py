# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN's layers, from an Opus release's blob, from its import or from our own training."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from quantize.errors import InputError
from quantize.files.reading import file_bytes
from quantize.files.tensor_file import parse
from quantize.nn.graph import MatrixShape
from quantize.nn.weights import Weights
from quantize.vocoder.fargan.parts import EMBEDDING, OPUS, PERIODS, shapes
from toolkit.models.importers import dnnw
from toolkit.models.importers.checkpoint import layers_of
from toolkit.models.importers.kinds import foreign, kind_of

NAME: Final = "fargan"
_OWN: Final = ("cond_net_", "sig_net_")  # how the names of its layers begin
_WANTED: Final = "FARGAN: a release's fargan.bin, its import, or a checkpoint of our training"


@dataclass(frozen=True)
class FarganNetwork:
    """The layers of a release's FARGAN, listed as a graph lists its own."""

    name: str = NAME

    def matrices(self) -> Iterator[MatrixShape]:
        """Yield every matrix; the embedding is a layer from one of 224 periods."""
        yield MatrixShape(EMBEDDING, OPUS.embedding, PERIODS, "period")
        yield from shapes(OPUS)


def upright(layers: dict[str, Weights]) -> dict[str, Weights]:
    """Return a release's layers with the embedding as a table, [periods, width]."""
    embedding = layers.get(EMBEDDING)
    if embedding is None:
        return layers
    table = replace(embedding, matrix=embedding.matrix.T, bias=np.zeros(PERIODS))
    return {**layers, EMBEDDING: table}


def has_fargan(data: bytes) -> bool:
    """Return whether the bytes of a file may be FARGAN: an Opus blob, or a checkpoint of it."""
    if data.startswith(dnnw.MAGIC):
        return True
    try:
        return f"{EMBEDDING}.weight" in parse(data, "").tensors
    except InputError:
        return False


def holds_fargan(path: Path) -> bool:
    """Return whether a weight file, an Opus blob or a checkpoint, has layers of FARGAN.

    Raises InputError for a file that cannot be read, or a damaged blob.
    """
    data = file_bytes(path, f"give {_WANTED}")
    if data.startswith(dnnw.MAGIC):
        names = dnnw.read_records(data, str(path))
        return any(name.startswith(EMBEDDING) for name in names)
    return has_fargan(data)


def read_fargan_layers(path: Path) -> tuple[dict[str, Weights], dict[str, str]]:
    """Return the layers of FARGAN in a file, and where they came from.

    Raises InputError for another file, for a damaged one, and for one without FARGAN.
    """
    data = file_bytes(path, f"give {_WANTED}")
    kind = "checkpoint"
    if data.startswith(dnnw.MAGIC):
        kind = "opus-blob"
        cols = {shape.name: shape.cols for shape in FarganNetwork().matrices()}
        layers = upright(dnnw.layers_of(dnnw.read_records(data, str(path)), cols, str(path)))
    else:
        error = foreign(path, data, _WANTED)
        if error is not None:
            raise error
        tensors = parse(data, str(path)).tensors
        own = {name: array for name, array in tensors.items() if name.startswith(_OWN)}
        layers = layers_of(own, path) if own else {}
    if EMBEDDING not in layers:
        raise InputError(f"{path}: is {kind_of(data)}, not {_WANTED}")
    source = {"name": path.name, "kind": kind, "sha256": hashlib.sha256(data).hexdigest()}
    return layers, source
