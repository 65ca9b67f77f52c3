# SPDX-License-Identifier: BSD-3-Clause
"""firmware/dredkit/dred as a library for the tests, and random tables that reach its corners."""

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
from toolkit.targets.sources import INCLUDES, LIBRARY

ROOT = Path(__file__).resolve().parents[2]

CDEF = """
typedef struct { uint8_t latents[4][16][25]; uint8_t states[4][16][50]; } dk_dred_tables;
typedef struct { uint8_t q0; uint8_t dq; uint8_t qmax; int16_t offset; } dk_dred_header;
typedef struct {
    uint8_t *out; uint32_t capacity; uint32_t count; uint32_t low; uint32_t range;
    uint32_t bits; uint32_t full; int32_t pending;
} dk_range_encoder;
typedef struct {
    const dk_dred_tables *tables; dk_dred_header header; dk_range_encoder coder;
    dk_range_encoder kept; uint32_t limit; uint8_t chunk;
} dk_dred_writer;
typedef struct {
    dk_dred_header header; int16_t state[50]; uint8_t chunk_count; int16_t chunks[26][25];
} dk_dred_payload;
typedef struct {
    uint8_t latent_frac; uint8_t state_frac; uint16_t delay; bool upstream_silence_offset;
} dk_dred_history_config;
typedef struct {
    uint8_t q0; uint8_t dq; uint8_t qmax; uint8_t max_chunks; uint16_t max_bytes;
} dk_dred_rate;
typedef struct {
    dk_dred_history_config config; int16_t latents[52][25]; int16_t states[52][50];
    uint32_t flags[13]; uint16_t waiting; int16_t offset; uint8_t newest; uint8_t count;
    uint8_t first; uint8_t skipped;
} dk_dred_history;
typedef struct {
    uint32_t bitrate; uint8_t loss; uint8_t duration; uint8_t units; bool lbrr;
} dk_dred_policy_request;
int16_t dk_dred_quantise(int32_t value, uint8_t scale, uint8_t deadzone);
int32_t dk_dred_dequantise(int16_t symbol, uint8_t scale);
int16_t dk_dred_to_input(int32_t value, unsigned frac);
int16_t dk_dred_level_input(unsigned level, unsigned frac);
int32_t dk_dred_writer_init(dk_dred_writer *writer, const dk_dred_tables *tables,
                            const dk_dred_header *header, uint8_t *payload, size_t budget);
bool dk_dred_writer_state(dk_dred_writer *writer, const int32_t *state);
bool dk_dred_writer_chunk(dk_dred_writer *writer, const int32_t *latents);
void dk_dred_writer_keep(dk_dred_writer *writer);
size_t dk_dred_writer_finish(dk_dred_writer *writer);
int32_t dk_dred_parse(const dk_dred_tables *tables, const uint8_t *data, size_t size,
                      unsigned max_chunks, dk_dred_payload *payload);
int32_t dk_dred_history_init(dk_dred_history *history, const dk_dred_history_config *config);
int32_t dk_dred_history_begin(dk_dred_history *history, unsigned samples, bool active);
void dk_dred_history_push(dk_dred_history *history, const int16_t *latents,
                          const int16_t *state);
int32_t dk_dred_history_payload(dk_dred_history *history, const dk_dred_tables *tables,
                                const dk_dred_rate *rate, uint8_t *payload);
int32_t dk_dred_libopus_policy(const dk_dred_policy_request *request, dk_dred_rate *rate);
"""

SOURCES = [
    LIBRARY / "dred" / f"{name}.c"
    for name in (
        *("tables", "levels", "thresholds", "rangecoder"),
        *("payload_encode", "payload_parse", "history", "policy"),
    )
]
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
        self.ffi.cdef(CDEF)
        self.lib: Any = self.ffi.dlopen(str(library))

    def tables(self, tables: EntropyTables) -> Any:
        """The tables as C memory; keep the result alive."""
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
        """Write Q16 values, each chunk kept that fits; None if not even the state does."""
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
        """Return a negative error, or (Header, state [50], chunks [n][25])."""
        payload = self.ffi.new("dk_dred_payload *")
        # Memory of exactly this size, so that reading past it would be seen by a memory checker.
        memory = self.ffi.new("uint8_t[]", data) if data else self.ffi.new("uint8_t[1]")
        count = self.lib.dk_dred_parse(tables, memory, len(data), max_chunks, payload)
        if count < 0:
            return count
        h = payload.header
        chunks = [list(payload.chunks[i]) for i in range(count)]
        assert count == payload.chunk_count
        return Header(h.q0, h.dq, h.qmax, h.offset), list(payload.state), chunks


def random_tables(seed: int) -> EntropyTables:
    """Tables of every character: plausible ones, extremes, and elements that are not sent."""
    rng = np.random.default_rng(seed)

    def table(size: int) -> Any:
        values = rng.integers(0, 256, (4, LEVELS, size))
        if rng.random() < 0.5:
            values = rng.choice([0, 1, 2, 127, 254, 255], (4, LEVELS, size))
        values[P_ZERO] = np.maximum(values[P_ZERO], 1)
        values[DECAY] = np.where(rng.random((LEVELS, size)) < 0.2, 0, values[DECAY])
        return values.astype(np.uint8)

    return EntropyTables(table(LATENTS), table(STATES))
