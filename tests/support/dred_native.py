# SPDX-License-Identifier: BSD-3-Clause
"""firmware/dredkit/dred as a library for tests, and random tables that reach its corner cases."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import cffi
import numpy as np

from quantize.dred.history import Rate
from quantize.dred.payload import MAX_BYTES, Header
from quantize.dred.tables import DECAY, LATENTS, LEVELS, P_ZERO, STATES, EntropyTables
from quantize.integer import Ints
from toolkit.common.wire import load_wire
from toolkit.device.build.declarations import declarations
from toolkit.targets.sources import INCLUDES, LIBRARY

ROOT = Path(__file__).resolve().parents[2]

SOURCES = [
    LIBRARY / "dred" / f"{name}.c"
    for name in (
        *("tables", "levels", "thresholds", "rangecoder"),
        *("payload_encode", "payload_parse", "history", "policy"),
    )
]
HEADERS = [f"dred/{name}.h" for name in ("levels", "payload", "history", "policy")]
INCLUDE_FLAGS = [f"-I{path}" for path in INCLUDES]
ERRORS = {name: -code for name, code in load_wire().errors.items()}  # dk_status by name
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]


class Native:
    """The library's functions on Python values."""

    def __init__(self, folder: Path) -> None:
        library = folder / "dred.so"
        subprocess.run(
            ["gcc", *WARNINGS, "-O2", "-shared", "-fPIC", "-fsanitize=undefined"]
            + ["-fsanitize-undefined-trap-on-error", *INCLUDE_FLAGS, "-o", str(library)]
            + [str(source) for source in SOURCES],
            check=True,
        )
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations(*HEADERS))
        self.lib: Any = self.ffi.dlopen(str(library))

    def tables(self, tables: EntropyTables) -> Any:
        """Return the tables as C memory; keep the result alive."""
        memory = self.ffi.new("dk_dred_tables *")
        self.ffi.buffer(memory)[:] = tables.to_bytes()
        return memory

    def header(self, header: Header) -> Any:
        return self.ffi.new("dk_dred_header *", [header.q0, header.dq, header.qmax, header.offset])

    def rate(self, rate: Rate) -> Any:
        fields = [rate.q0, rate.dq, rate.qmax, rate.max_chunks, rate.max_bytes]
        return self.ffi.new("dk_dred_rate *", fields)

    def write(
        self, tables: Any, header: Header, state: Ints, chunks: Ints, budget: int = MAX_BYTES
    ) -> bytes | None:
        """Write Q16 values and keep each chunk that fits; return None if the state does not fit."""
        out = self.ffi.new("uint8_t[]", budget)
        writer = self.ffi.new("dk_dred_writer *")
        assert self.lib.dk_dred_writer_init(writer, tables, self.header(header), out, budget) == 0
        if not self.lib.dk_dred_writer_state(writer, state.tolist()):
            return None
        self.lib.dk_dred_writer_keep(writer)
        for chunk in chunks:
            if not self.lib.dk_dred_writer_chunk(writer, chunk.tolist()):
                break
            self.lib.dk_dred_writer_keep(writer)
        size = self.lib.dk_dred_writer_finish(writer)
        return bytes(self.ffi.buffer(out, size))

    def parse(self, tables: Any, data: bytes, max_chunks: int = 26) -> Any:
        """Parse a payload; return a negative error or (Header, state [50], chunks [n][25])."""
        payload = self.ffi.new("dk_dred_payload *")
        # The memory has exactly this size, so that a memory checker sees a read past its end.
        memory = self.ffi.new("uint8_t[]", data) if data else self.ffi.new("uint8_t[1]")
        count = self.lib.dk_dred_parse(tables, memory, len(data), max_chunks, payload)
        if count < 0:
            return count
        h = payload.header
        chunks = [list(payload.chunks[i]) for i in range(count)]
        assert count == payload.chunk_count
        return Header(h.q0, h.dq, h.qmax, h.offset), list(payload.state), chunks


def random_tables(seed: int) -> EntropyTables:
    """Return random tables: plausible values, extremes, and elements that are not sent."""
    rng = np.random.default_rng(seed)

    def table(size: int) -> Any:
        values = rng.integers(0, 256, (4, LEVELS, size))
        if rng.random() < 0.5:
            values = rng.choice([0, 1, 2, 127, 254, 255], (4, LEVELS, size))
        values[P_ZERO] = np.maximum(values[P_ZERO], 1)
        values[DECAY] = np.where(rng.random((LEVELS, size)) < 0.2, 0, values[DECAY])
        return values.astype(np.uint8)

    return EntropyTables(table(LATENTS), table(STATES))
