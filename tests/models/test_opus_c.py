# SPDX-License-Identifier: BSD-3-Clause
"""The reader of an Opus release's C tables: the blob's values, and damage in one clear line."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.dred.tables import LATENTS, LEVELS, STATES
from quantize.errors import InputError
from tests.support.blobs import LAYERS
from tests.support.opus_sources import (
    COLS,
    RECORDS,
    SOURCE,
    TABLES,
    A,
    network_source,
    same_layers,
    same_records,
    stats_arrays,
    stats_source,
)
from toolkit.models.importers.dnnw import layers_of, read_records
from toolkit.models.importers.opus_c import entropy_tables, read_arrays


def test_c_tables_and_blob_hold_the_same() -> None:
    read = read_arrays(SOURCE.encode(), "net_data.c")
    assert same_records(read, RECORDS)
    layers = layers_of(read, COLS, "net_data.c")
    assert same_layers(layers, LAYERS)
    assert any(layer.int8 is not None for layer in layers.values())
    assert any(layer.blocks is not None for layer in layers.values())


@pytest.mark.parametrize("renamed", [r"oac_\1", r"\1_t"])
def test_other_names_of_the_same_types(renamed: str) -> None:
    """Opus' successor OAC calls the types oac_int8 and so on; <stdint.h> calls them int8_t."""
    for source in (SOURCE, stats_source(TABLES)):
        other, count = re.subn(r"\bopus_(u?int\d+)\b", renamed, source)
        assert count
        read = read_arrays(other.encode(), "other.c")
        assert same_records(read, read_arrays(source.encode(), "opus.c"))
    assert entropy_tables(read, "other.c") is not None
    for name in ("silk_int8", "oac_int7", "int8", "uint8", "_t", "opus_"):
        with pytest.raises(InputError, match=f"array a has the unknown type {name}"):
            read_arrays(f"const {name} a[1] = {{1}};".encode(), "f.c")


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int8", -129), ("uint8", 256), ("int16", 32768), ("uint16", -1), ("int32", 2**31)],
)
@pytest.mark.parametrize("form", ["opus_{}", "oac_{}", "{}_t"])
def test_every_type_has_its_range(kind: str, value: int, form: str) -> None:
    line = f"const {form.format(kind)} a[2] = {{1, {value}}};".encode()
    with pytest.raises(InputError, match=f"array a: {value} does not fit {kind}"):
        read_arrays(line, "f.c")


def test_line_ends_and_comments_do_not_matter() -> None:
    read = read_arrays(SOURCE.replace("\n", "\r\n").encode(), "dos")
    assert same_records(read, RECORDS)
    noted = SOURCE.replace("    return 0;", "    return 0; /* a }\n ; */ // }")
    assert same_records(read_arrays(noted.encode(), "noted"), RECORDS)


def test_int8_weights_go_before_their_float_copies() -> None:
    both = {**RECORDS, "last_weights_float": np.ones(8 * 24, np.float32)}
    assert same_layers(layers_of(both, COLS, "both"), LAYERS)


def test_a_float_is_what_a_compiler_makes_of_it() -> None:
    text = "static const float a[5] = {\n 0.1, -1e-05, 3.4028234663852886e+38, 0.0, -2.};\n"
    read = read_arrays(text.encode(), "f.c")["a"]
    want = np.array([0.1, -1e-5, np.finfo(np.float32).max, 0, -2], np.float32)
    assert read.dtype == np.float32
    assert np.array_equal(read, want)


def test_entropy_tables() -> None:
    read = read_arrays(stats_source(TABLES).encode(), "stats.c")
    tables = entropy_tables(read, "stats.c")
    assert tables is not None
    assert tables.to_bytes() == TABLES.to_bytes()
    assert entropy_tables(RECORDS, "net.c") is None


@pytest.mark.parametrize("name", list(stats_arrays(TABLES)))
def test_entropy_tables_are_whole(name: str) -> None:
    arrays = stats_arrays(TABLES)
    short = {**arrays, name: arrays[name][1:]}
    size = LEVELS * (LATENTS if "latent" in name else STATES)
    with pytest.raises(InputError, match=rf"s.c: array {name} is uint8\[{size - 1}\], expected"):
        entropy_tables({**short}, "s.c")
    with pytest.raises(InputError, match=f"s.c: array {name} is missing"):
        entropy_tables({key: a for key, a in arrays.items() if key != name}, "s.c")
    with pytest.raises(InputError, match=f"s.c: array {name} is int8"):
        entropy_tables({**arrays, name: arrays[name].astype(np.int8)}, "s.c")


def test_entropy_tables_can_code_a_zero() -> None:
    arrays = stats_arrays(TABLES)
    arrays["dred_state_p0_q8"] = np.zeros_like(arrays["dred_state_p0_q8"])
    with pytest.raises(InputError, match=r"s.c: entropy table of states: P\(0\) is 0"):
        entropy_tables({**arrays}, "s.c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "c: empty file"),
        (" \n\n", "c: empty file"),
        ("\n\xff", "c:2: not C tables of an Opus release (not ASCII)"),
        (A + "\0", "c:5: '\\x00' is no C table"),
        (A[:-2], "c:1: truncated: array a has no end"),
        (A[:-3], "c:1: truncated: array a has no end"),
        (A[:40], "c:1: truncated: array a has no end"),
        (A[:25], "c:1: 'static const opus_int8 a[' is no C table"),
        (A + A, "c:5: array a appears twice"),
        (A.replace("[3]", "[4]"), "c:1: array a holds 3 numbers, says 4"),
        (A.replace("[3]", "[]"), "c:1: array a holds 3 numbers, says none"),
        (A.replace("[3]", "[N]"), "c:1: 'static const opus_int8 a[N] = {' is no C table"),
        (A.replace("[3]", "[9999999999]"), "is no C table"),
        (A.replace("opus_int8", "double"), "c:1: array a has the unknown type double"),
        (A.replace("3\n", "128\n"), "c:3: array a: 128 does not fit int8"),
        (A.replace("2,", "-129,"), "c:2: array a: -129 does not fit int8"),
        (A.replace("opus_int8", "opus_uint8").replace("2", "-2"), "-2 does not fit uint8"),
        (A.replace("opus_int8", "int").replace("2", "2147483648"), "does not fit int32"),
        (A.replace("3\n", "3,\n"), "array a: '' is no integer"),
        (A.replace("3\n", "3.0\n"), "c:3: array a: '3.0' is no integer"),
        (A.replace("3\n", "010\n"), "c:3: array a: '010' is no integer"),
        (A.replace("3\n", "x\n"), "c:3: array a: 'x' is no integer"),
        (A.replace("3\n", "1 2\n"), "c:3: array a: '1 2' is no integer"),
        (A.replace("3\n", "9" * 5000 + "\n"), "is no integer"),
        (A.replace("opus_int8", "float").replace("3\n", "nan\n"), "c:3: array a: 'nan' is no numb"),
        (A.replace("opus_int8", "float").replace("3\n", "inf\n"), "'inf' is no number"),
        (A.replace("opus_int8", "float").replace("3\n", "1e39\n"), "1e39 does not fit float32"),
        (A.replace("opus_int8", "float").replace("3\n", "1_0\n"), "'1_0' is no number"),
        (A + "int main(void) { return 0; }\n", "c:5: 'int main(void) { return 0; }' is no C table"),
        (A + "int init_x(X *m) {\n if (1) {\n", "c:5: 'int init_x(X *m) {' is no C table"),
        (A + "const WeightArray x[] = {\n {0},\n", "c:5: truncated in the list x"),
        (A + "#if 1\n", "c:5: unexpected '#if 1' in C tables"),
        (A + "#pragma once\n", "c:5: unexpected '#pragma once'"),
        (A + "#else\n", "c:5: unexpected '#else'"),
        (A + "#define X \\\n", "c:5: unexpected '#define X \\\\'"),
        (A + "#endif\n", "c:5: unexpected '#endif'"),
        ("#ifndef X\n" + A, "c:1: truncated: an #ifdef without its #endif"),
        (A + "/* no end", "c:5: truncated: an open comment"),
        ("import numpy\n", "c:1: 'import numpy' is no C table"),
    ],
)
def test_damaged_c_tables(text: str, message: str) -> None:
    assert np.array_equal(read_arrays(A.encode(), "c")["a"], [1, 2, 3])
    with pytest.raises(InputError) as caught:
        read_arrays(text.encode("latin-1"), "c")
    assert message in str(caught.value)
    assert str(caught.value).startswith("c:")
    assert "\n" not in str(caught.value)


def test_too_large_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.models.importers.opus_c.MAX_BYTES", len(A) - 1)
    with pytest.raises(InputError, match=f"c: {len(A)} bytes; the C tables of a release"):
        read_arrays(A.encode(), "c")


SHORT = network_source({key: RECORDS[key] for key in list(RECORDS)[-3:]})


def test_truncated_at_every_byte() -> None:
    whole = read_arrays(SHORT.encode(), "whole")
    refused = 0
    for length in range(len(SHORT)):
        try:
            read = read_arrays(SHORT[:length].encode(), "cut")
        except InputError:
            refused += 1
            continue
        assert all(np.array_equal(read[name], whole[name]) for name in read)
    assert refused > 0.9 * len(SHORT)


def complaint(data: bytes) -> str:
    """Return the complaint about a file, or "" if it can be read and holds finite numbers."""
    try:
        read = read_arrays(data, "file")
    except InputError as error:
        return str(error)
    assert all(np.all(np.isfinite(values.astype(np.float64))) for values in read.values())
    return ""


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(SHORT) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read(at: int, value: int) -> None:
    content = bytearray(SHORT.encode())
    content[at] = value
    said = complaint(bytes(content))
    assert said == "" or said.startswith("file:")
    assert "\n" not in said


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='#/*"{}[];=,. \n\x1f0-9aceinostx', max_size=80))
def test_any_text(text: str) -> None:
    said = complaint(text.encode())
    assert said == "" or said.startswith("file:")


@pytest.mark.parametrize("name", ["rdovae_enc", "pitchdnn", "rdovae_dec"])
def test_upstream_as_c_tables(upstream: Path, name: str) -> None:
    records = read_records((upstream / "weights" / f"{name}.bin").read_bytes(), name)
    assert same_records(read_arrays(network_source(records).encode(), name), records)
