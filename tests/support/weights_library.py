# SPDX-License-Identifier: BSD-3-Clause
"""Small models whose tables come from a blob, and the C that opens it, for tests."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cffi
import numpy as np
import numpy.typing as npt

from quantize.nn.graph import Activation, Conv2d, Dense, Format, Graph, Slice
from quantize.nn.model import QuantisedModel
from tests.fuzz.run import fuzz_tables
from tests.support.decoder_library import TRAPS
from tests.support.dred_native import WARNINGS
from tests.support.lpcnet_models import random_voice
from tests.support.small_models import gated_graph, small_model
from toolkit.codegen.blob.parts import ISAS, Parts, Section
from toolkit.codegen.blob.read import read_blob
from toolkit.codegen.blob.source import blob_files
from toolkit.codegen.blob.write import blob_of, write_blob
from toolkit.codegen.network.arena import plan
from toolkit.codegen.network.step import step_header, step_source
from toolkit.codegen.network.tables import weight_tables
from toolkit.codegen.packing.pack import pack_network
from toolkit.codegen.voice.lpcnet import model_source
from toolkit.device.build.declarations import prototypes
from toolkit.targets.sources import INCLUDES, PORTABLE_FLAG, room, voice_files

ALIGNMENT: Final = 16
Edit = Callable[[list[Section]], None]
Int16s = npt.NDArray[np.int16]

SHIM: Final = """
#include <string.h>
#include "model_weights.h"
#include "small.h"
static dk_model_weights model;
static dk_small self;
static dk_small_scratch work;
int32_t open_blob(const uint8_t *bytes, size_t size) { return dk_model_open(&model, bytes, size); }
int is_zero(void)
{
    static const dk_model_weights zero;
    return memcmp(&model, &zero, sizeof zero) == 0;
}
void start(void) { dk_small_reset(&self); }
void step(const int16_t *x, int16_t *a, int16_t *b)
{
    dk_small_step(&model.small, &self, &work, x, a, b, NULL);
}
"""


def lines_graph() -> Graph:
    """Return a graph with a convolution along a line, which small_graph lacks."""
    return Graph(
        "lines",
        ("x",),
        ("y",),
        {"x": 24, "h": 16, "y": 3},
        (
            Conv2d("conv", Slice("x", 0, 24), Slice("h", 0, 16), 8, Activation.TANH),
            Dense("out", Slice("h", 0, 16), Slice("y", 0, 3), Activation.LINEAR),
        ),
        {"h": Format.Q15},
    )


@functools.cache
def models() -> tuple[QuantisedModel, ...]:
    """Return networks with every kind of layer, dense and sparse, int8 and int16."""
    return tuple(small_model(graph) for graph in (None, gated_graph(), lines_graph()))


@functools.cache
def small_parts(isa: str = "c", seed: int = 3) -> Parts:
    """Return a small model with everything that a blob can hold."""
    networks = [*models()]
    voice = random_voice(seed)
    networks.append(voice.condition)
    packed = tuple(pack_network(model, isa) for model in networks)
    return Parts(isa, "5a" * 32, fuzz_tables(None), packed, voice)


def edited(blob: bytes, edit: Edit) -> bytes:
    """Return the blob with other sections and a right checksum."""
    found = read_blob(blob)
    edit(found.sections)
    return blob_of(ISAS.index(found.isa), found.topology, found.model, found.sections)


def write_sources(parts: Parts, folder: Path, linked: bool) -> list[Path]:
    """Write the generated C of a model; return all C files that it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    files = blob_files(parts, linked)
    for network in parts.networks:
        model = network.model
        name = model.graph.name
        files[f"{name}.h"] = step_header(model, plan(model))
        files[f"{name}.c"] = step_source(model)
        if linked:
            files[f"{name}_weights.c"] = weight_tables(network)
    if linked and parts.voice is not None:
        files["lpcnet_model.c"] = model_source(parts.voice)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    voice = [] if parts.voice is None else voice_files("lpcnet")
    signal = room("dsp", "features") if voice else []
    made = [folder / name for name in files if name.endswith(".c")]
    return [*room("nn", "weights"), *voice, *signal, *made]


class BlobLibrary:
    """A model without linked-in tables, compiled for this machine; undefined behaviour traps.

    The checks are those of the ISA of `parts`, the kernels are portable C.
    """

    def __init__(self, parts: Parts, folder: Path, shim: str = SHIM) -> None:
        sources = write_sources(parts, folder, linked=False)
        library = folder / "blob.so"
        (folder / "shim.c").write_text(shim, encoding="utf-8")
        flags = [*WARNINGS, *TRAPS, PORTABLE_FLAG, f"-DDK_BLOB_ISA={ISAS.index(parts.isa)}"]
        flags += ["-shared", "-fPIC", *(f"-I{path}" for path in (*INCLUDES, folder))]
        files = [str(folder / "shim.c"), *map(str, sources)]
        subprocess.run(["gcc", *flags, "-o", str(library), *files], check=True)
        self.parts, self.blob = parts, write_blob(parts)
        self._ffi = cffi.FFI()
        self._ffi.cdef(prototypes(shim))
        self.lib: Any = self._ffi.dlopen(str(library))
        self._kept: Any = None

    def open(self, blob: bytes, skew: int = 0, size: int | None = None) -> int:
        """Open a blob that lies `skew` bytes off an aligned address; return the status."""
        room_ = self._ffi.new("uint8_t[]", len(blob) + 2 * ALIGNMENT)
        start = int(self._ffi.cast("uintptr_t", room_))
        at = room_ + (-start % ALIGNMENT + skew)
        self._ffi.memmove(at, blob, len(blob))
        self._kept = room_
        return int(self.lib.open_blob(at, len(blob) if size is None else size))

    def run(self, inputs: Sequence[Int16s]) -> tuple[Int16s, Int16s]:
        """Run steps of the network `small` from its initial state; return both outputs."""
        self.lib.start()
        found = []
        for row in inputs:
            a, b = self._ffi.new("int16_t[]", 5), self._ffi.new("int16_t[]", 8)
            self.lib.step(self._ffi.new("int16_t[]", [int(x) for x in row]), a, b)
            found.append((list(a), list(b)))
        return np.array([x for x, _ in found]), np.array([x for _, x in found])


@functools.cache
def shared_library(isa: str) -> BlobLibrary:
    """Return the library of small_parts(isa), compiled once per process."""
    folder = tempfile.mkdtemp(prefix="dredkit-blob-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return BlobLibrary(small_parts(isa), Path(folder))
