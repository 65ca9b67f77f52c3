# SPDX-License-Identifier: BSD-3-Clause
"""Read an Opus release: layers of DRED's networks, FARGAN, the predictor, and the entropy tables.

Sources are 'DNNw' blobs, *_data.c files and the dnn/ folder of a release, alone or together.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quantize.dred.tables import EntropyTables
from quantize.errors import InputError
from quantize.files.reading import file_bytes
from quantize.nn.topologies import (
    pitch,
    predictor,
    rdovae_decoder,
    rdovae_decoder_init,
    rdovae_encoder,
)
from quantize.nn.weights import Weights, fit
from toolkit.models.importers import dnnw, fargan, opus_c
from toolkit.models.importers.kinds import foreign, kind_of

NETWORKS: Final = (
    *(rdovae_encoder, pitch, rdovae_decoder_init, rdovae_decoder),
    *(fargan.FarganNetwork, predictor),
)
FILES: Final = (
    "dred_rdovae_enc_data.c",
    "pitchdnn_data.c",
    "dred_rdovae_stats_data.c",
    "dred_rdovae_dec_data.c",
    "fargan_data.c",
    "plc_data.c",
)


@dataclass(frozen=True)
class Release:
    """Layers by network and name, for the networks that are there; tables if there are any.

    `sources` has a name, kind and SHA-256 of each file read; `unused` names files without use.
    """

    networks: dict[str, dict[str, Weights]]
    tables: EntropyTables | None
    sources: list[dict[str, str]]
    unused: list[str]

    @property
    def layers(self) -> dict[str, Weights]:
        """The layers of all networks."""
        return {name: layer for found in self.networks.values() for name, layer in found.items()}


def read_release(paths: Sequence[Path]) -> Release:
    """Read our networks from the sources; a network is complete or absent.

    Raises InputError for a source that is damaged or of another kind, for a layer or table that is
    given twice, for a network that lacks a layer or has other sizes, and for no network at all.
    """
    graphs = [build() for build in NETWORKS]
    cols = {shape.name: shape.cols for graph in graphs for shape in graph.matrices()}
    layers: dict[str, Weights] = {}
    origin: dict[str, str] = {}
    tables: EntropyTables | None = None
    sources, unused = [], []
    unused_kinds: dict[str, str] = {}
    for path in [file for given in paths for file in _files(given)]:
        where, data = str(path), _bytes(path)
        blob = data[: len(dnnw.MAGIC)] == dnnw.MAGIC or path.suffix != ".c"
        if blob and data and not data.startswith(dnnw.MAGIC[: len(data)]):
            error = foreign(path, data, "an Opus 'DNNw' blob", "let the name of C tables end in .c")
            if error is not None:
                raise error
        records = dnnw.read_records(data, where) if blob else opus_c.read_arrays(data, where)
        found = dnnw.layers_of(records, cols, where)
        entropy = opus_c.entropy_tables(records, where)
        if entropy is not None and tables is not None:
            raise InputError(f"{where}: entropy tables again; {origin['']} has some already")
        for name in found:
            if name in layers:
                raise InputError(f"{where}: layer {name} again; {origin[name]} has it already")
        layers |= found
        origin |= dict.fromkeys(found, where)
        if entropy is not None:
            tables, origin[""] = entropy, where
        if not found and entropy is None:
            unused.append(where)
            unused_kinds[where] = kind_of(data) if blob else "C tables of other networks"
        digest = hashlib.sha256(data).hexdigest()
        kind = "opus-blob" if blob else "opus-c"
        sources.append({"name": path.name, "kind": kind, "sha256": digest})
    networks = {}
    for graph in graphs:
        shapes = list(graph.matrices())
        places = [origin[shape.name] for shape in shapes if shape.name in layers]
        if places:
            networks[graph.name] = {w.name: w for w in fit(shapes, layers, places[0])}
    if fargan.NAME in networks:
        networks[fargan.NAME] = fargan.upright(networks[fargan.NAME])
    if not networks:
        first = next(iter(graphs[0].matrices())).name
        named = ", ".join(str(path) for path in paths)
        what = "; ".join(f"{path} is {kind}" for path, kind in unused_kinds.items())
        raise InputError(
            f"{named}: no network of DRED: layer {first} is missing, as all are"
            + (f" ({what})" if what else "")
        )
    return Release(networks, tables, sources, unused)


def _files(path: Path) -> list[Path]:
    """Return a file itself, or the files of a folder that we know."""
    if not path.is_dir():
        return [path]
    for folder in (path, path / "dnn"):
        found = [folder / name for name in FILES if (folder / name).is_file()]
        if found:
            return found
    raise InputError(
        f"{path}: has none of {', '.join(FILES)}; give the dnn/ folder of a release tarball "
        "(a git checkout holds no weights)"
    )


def _bytes(path: Path) -> bytes:
    return file_bytes(path, "give an Opus 'DNNw' blob, *_data.c files or a release's dnn/")
