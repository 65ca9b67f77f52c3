# SPDX-License-Identifier: BSD-3-Clause
"""firmware/dredkit/codec/redundancy.c with two generated networks, as a library for tests."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cffi
import numpy as np

from quantize.codec.redundancy import DecoderNetworks
from quantize.dred.tables import EntropyTables
from quantize.integer import Ints
from toolkit.codegen.network.arena import plan
from toolkit.codegen.network.step import step_header, step_source
from toolkit.codegen.network.tables import weight_header, weight_tables
from toolkit.codegen.packing.pack import pack_network
from toolkit.device.build.declarations import prototypes
from toolkit.targets.sources import INCLUDES, LIBRARY, PORTABLE_FLAG, room

ROOT = Path(__file__).resolve().parents[2]
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]

# One instance; its tables can be changed.
_SHIM = """
#include <string.h>
#include "codec/redundancy.h"
static dk_dred_tables tables;
static dk_redundancy redundancy;
static dk_redundancy_scratch work;
static dk_dred_payload payload;
void use(const uint8_t *bytes)
{
    memcpy(&tables, bytes, sizeof tables);
    dk_redundancy_init(&redundancy, &tables);
}
int32_t begin(const uint8_t *data, size_t size, unsigned max_chunks, uint8_t *trace)
{
    redundancy.chunks = redundancy.decoded = 0;
    const int32_t chunks = dk_dred_parse(&tables, data, size, max_chunks, &payload);
    if (chunks >= 0) {
        dk_redundancy_start(&redundancy, &work, &payload, trace);
    }
    return chunks;
}
int32_t decode(unsigned most, int16_t *features, uint8_t *trace)
{
    return dk_redundancy_decode(&redundancy, &work, &payload, most, features, trace);
}
size_t state_bytes(void) { return sizeof redundancy; }
size_t scratch_bytes(void) { return sizeof work; }
"""


class NativeRedundancy:
    """The firmware's counterpart of quantize.codec.redundancy.Redundancy.

    It decodes up to `batch` chunks at once. `each` has the layers of every chunk of the last call,
    `layers` the layers of its last chunk.
    """

    def __init__(self, networks: DecoderNetworks, folder: Path, batch: int = 1) -> None:
        files = {"shim.c": _SHIM}
        for model in (networks.start, networks.step):
            name = model.graph.name
            steps = batch if model is networks.step else 1
            files |= {
                f"{name}_weights.h": weight_header(model),
                f"{name}_weights.c": weight_tables(pack_network(model, "c")),
                f"{name}.h": step_header(model, plan(model, steps)),
                f"{name}.c": step_source(model, steps),
            }
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        sources = [
            *sorted(folder.glob("*.c")),
            *room("nn"),
            *(LIBRARY / "dred" / f"{name}.c" for name in ("tables", "levels", "thresholds")),
            *(LIBRARY / "dred" / f"{name}.c" for name in ("rangecoder", "payload_parse")),
            LIBRARY / "codec" / "redundancy.c",
        ]
        library = folder / "redundancy.so"
        flags = ["-O1", "-shared", "-fPIC", "-fsanitize=undefined"]
        flags += ["-fsanitize-undefined-trap-on-error", f"-I{folder}", PORTABLE_FLAG]
        flags += [*(f"-I{path}" for path in INCLUDES), "-o", str(library)]
        subprocess.run(["gcc", *WARNINGS, *flags, *map(str, sources)], check=True)
        self._ffi = cffi.FFI()
        self._ffi.cdef(prototypes(_SHIM))
        self._lib: Any = self._ffi.dlopen(str(library))
        self._networks = networks
        self.bytes = int(self._lib.state_bytes()), int(self._lib.scratch_bytes())
        self.batch = batch
        self.layers: dict[str, Ints] = {}
        self.each: list[dict[str, Ints]] = []
        self.use(networks.tables)

    def use(self, tables: EntropyTables) -> None:
        """Start again with other entropy tables."""
        self._lib.use(tables.to_bytes())

    def begin(self, data: bytes, max_chunks: int = 26) -> int:
        """Parse a payload; return its count of chunks, or the firmware's negative error."""
        # The memory has exactly this size, so that a memory checker sees a read past its end.
        memory = self._ffi.new("uint8_t[]", data or b"\0")
        nodes = self._networks.start.graph.nodes
        trace = self._ffi.new("uint8_t[]", sum(2 * node.output.size for node in nodes))
        count = int(self._lib.begin(memory, len(data), max_chunks, trace))
        self.layers = self._layers(nodes, self._ffi.buffer(trace)) if count >= 0 else {}
        return count

    def chunk(self, most: int = 1) -> Ints | int:
        """Decode up to `most` chunks; return features [4 * chunks, 20] or the negative error."""
        features = self._ffi.new("int16_t[]", 80 * max(most, 1))
        nodes = self._networks.step.graph.nodes
        size = sum(2 * node.output.size for node in nodes)
        trace = self._ffi.new("uint8_t[]", size * max(most, 1))
        count = int(self._lib.decode(most, features, trace))
        if count < 0:
            return count
        self.each = [
            self._layers(nodes, self._ffi.buffer(trace + at * size, size)) for at in range(count)
        ]
        self.layers = self.each[-1]
        return np.array(list(features)[: 80 * count], np.int64).reshape(-1, 20)

    def decode(self, data: bytes, max_chunks: int = 26) -> Ints | int:
        """Return the features [4 * chunks, 20] of a payload, or the firmware's negative error."""
        left = self.begin(data, max_chunks)
        if left < 0:
            return left
        found = [np.zeros((0, 20), np.int64)]
        while left > 0:
            frames = self.chunk(min(self.batch, left))
            assert not isinstance(frames, int)
            found.append(frames)
            left -= len(frames) // 4
        return np.concatenate(found)

    def _layers(self, nodes: Sequence[Any], trace: Any) -> dict[str, Ints]:
        values = np.frombuffer(trace, "<i2").astype(np.int64)
        ends = np.cumsum([node.output.size for node in nodes])
        parts = np.split(values, ends[:-1])
        return {node.name: part for node, part in zip(nodes, parts, strict=True)}
