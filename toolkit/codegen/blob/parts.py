# SPDX-License-Identifier: BSD-3-Clause
"""Say what the blob of a model holds, in order: entropy tables, networks, a voice's tables."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize.dred.tables import EntropyTables
from quantize.nn.model import QuantisedModel
from quantize.vocoder.fargan.model import FarganModel
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.voices import networks_of
from toolkit.codegen.packing.pack import PackedNetwork
from toolkit.codegen.voice.fargan import model_header as fargan_header
from toolkit.codegen.voice.lpcnet import STORED, TABLES, sample_matrices
from toolkit.codegen.voice.lpcnet import model_header as lpcnet_header
from toolkit.stages.stage import DecoderStage, EncoderStage, Stage
from toolkit.targets.isas import chain

ISAS: Final = ("c", "simd32", "mve", "neon", "dotprod")  # by their number in a blob


class Kind(IntEnum):
    """What a section holds: dk_blob_kind."""

    TABLE = 0
    WEIGHTS = 1
    INDEX = 2
    BIAS = 3
    MULTIPLIER = 4
    SHIFT = 5


# The kinds of a matrix's tables, in their order in a blob.
_MEMBERS: Final = {
    "weights": Kind.WEIGHTS,
    "index": Kind.INDEX,
    "bias": Kind.BIAS,
    "multiplier": Kind.MULTIPLIER,
    "shift": Kind.SHIFT,
}


@dataclass(frozen=True)
class Section:
    """One section: `owner` is the number of its part of the model."""

    owner: int
    kind: Kind
    data: bytes


@dataclass(frozen=True)
class Parts:
    """What a blob holds. `hash` is the hash of the model, in hexadecimal."""

    isa: str
    hash: str
    tables: EntropyTables | None
    networks: tuple[PackedNetwork, ...]
    voice: LpcnetModel | FarganModel | None

    def sections(self) -> list[Section]:
        """Return every section, in order."""
        groups = [*self._entropy(), *self._matrices(), *self._voice()]
        return [
            Section(owner, kind, data)
            for owner, group in enumerate(groups)
            for kind, data in group.items()
        ]

    def _entropy(self) -> Iterator[dict[Kind, bytes]]:
        if self.tables is not None:
            yield {Kind.TABLE: self.tables.to_bytes()}

    def _matrices(self) -> Iterator[dict[Kind, bytes]]:
        for network in self.networks:
            for packed in network.matrices.values():
                yield {
                    kind: _bytes(packed.tables[name])
                    for name, kind in _MEMBERS.items()
                    if name in packed.tables
                }

    def _voice(self) -> Iterator[dict[Kind, bytes]]:
        if isinstance(self.voice, FarganModel):
            yield {Kind.TABLE: _bytes(self.voice.periods)}
        elif self.voice is not None:
            yield from self._sample_loop(self.voice)

    def _sample_loop(self, voice: LpcnetModel) -> Iterator[dict[Kind, bytes]]:
        own = next(name for name in chain(self.isa) if name in STORED)
        number = np.int16 if own == "simd32" else np.int8
        for matrix in sample_matrices(voice).values():
            weights, index = STORED[own](matrix)
            group = {Kind.WEIGHTS: _bytes(weights.astype(number))}
            yield (
                group
                if index is None
                else {
                    **group,
                    Kind.INDEX: _bytes(index.astype(np.uint8)),
                }
            )
        for name in TABLES:
            yield {Kind.TABLE: _bytes(getattr(voice, name))}

    def topology(self) -> bytes:
        """Return the hash of all that code for this model has fixed: graphs, formats, sizes.

        Blobs with the same one can replace each other. It does not depend on the values of the
        weights, nor on which blocks are kept.
        """
        told = {
            "entropy": self.tables is not None,
            "networks": [_structure(network.model) for network in self.networks],
            "voice": None if self.voice is None else voice_header(self.voice, linked=False),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).digest()


def parts_of(stages: Sequence[Stage], packed: Mapping[str, PackedNetwork], model: str) -> Parts:
    """Return the parts of the blob for these stages of one model, whose hash is `model`.

    `packed` has every network of the stages and of their voice, by name.
    """
    tables: EntropyTables | None = None
    voice: LpcnetModel | FarganModel | None = None
    names: list[str] = []
    for stage in stages:
        names += [network.graph.name for network in stage.networks]
        if isinstance(stage, EncoderStage):
            tables = stage.model.tables
        elif isinstance(stage, DecoderStage):
            tables = stage.model.networks.tables
            if not isinstance(stage.model.voice, str):
                voice = stage.model.voice
                names += [network.graph.name for network in networks_of(voice)]
    networks = tuple(packed[name] for name in dict.fromkeys(names))
    return Parts(networks[0].isa, model, tables, networks, voice)


def voice_header(voice: LpcnetModel | FarganModel, linked: bool, blob: bool = False) -> str:
    """Return the header with a voice's sizes, which says where its tables come from."""
    if isinstance(voice, FarganModel):
        return fargan_header(voice, linked, blob)
    return lpcnet_header(voice, linked, blob)


def _structure(model: QuantisedModel) -> dict[str, Any]:
    return {"graph": model.graph.to_json(), "scheme": model.scheme, "frac": model.frac}


def _bytes(values: npt.NDArray[Any]) -> bytes:
    """Return the values as a little-endian core holds them."""
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes()
