# SPDX-License-Identifier: BSD-3-Clause
"""Import from an Opus release: C tables and blobs give the same integers, damage one clear line."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from quantize.dred.tables import LATENTS, LEVELS, STATES, TABLE_BYTES, EntropyTables
from quantize.errors import InputError
from quantize.graph import Graph
from quantize.topologies import pitch, rdovae_encoder
from quantize.weights import Weights
from tests.blobs import GRAPH, LAYERS, blob, records_of
from toolkit.commands.import_ import command
from toolkit.importers import load_model, release
from toolkit.importers.dnnw import Records, layers_of, read_records
from toolkit.importers.opus_c import entropy_tables, read_arrays
from toolkit.importers.release import FILES, read_release

ROOT = Path(__file__).resolve().parent.parent
TYPES = {"float32": "float", "int32": "int", "int8": "opus_int8", "uint8": "opus_uint8"}
BLOB = blob([record for layer in LAYERS.values() for record in records_of(layer)])
RECORDS = read_records(BLOB, "blob")
COLS = {shape.name: shape.cols for shape in GRAPH.matrices()}


def array(name: str, values: npt.NDArray[np.generic], static: str = "static ") -> str:
    """One array as Opus' exporter lays it out: eight numbers a line, and macros before it."""
    kind = TYPES[values.dtype.name]
    words = [str(value) for value in values]
    rows = [", ".join(words[at : at + 8]) for at in range(0, len(words), 8)]
    macros = f"#define WEIGHTS_{name}_DEFINED\n#define WEIGHTS_{name}_TYPE WEIGHT_TYPE_{kind}\n"
    body = ",\n    ".join(rows)
    return f"\n{macros}{static}const {kind} {name}[{len(words)}] = {{\n    {body}\n}};\n\n"


def network_source(records: Mapping[str, npt.NDArray[np.generic]], name: str = "net") -> str:
    """A network's *_data.c, with float copies of int8 weights that are not those weights."""
    parts = [
        "/* Auto generated from checkpoint some.pth */\n\n\n#ifdef HAVE_CONFIG_H\n"
        f'#include "config.h"\n#endif\n\n#include "{name}_data.h"\n\n'
    ]
    names: list[str] = []
    for key, values in records.items():
        parts.append(f"\n#ifndef USE_WEIGHTS_FILE\n{array(key, values)}\n#endif /* x */\n")
        names.append(key)
        if key.endswith("_weights_int8"):
            copy = key.removesuffix("_int8") + "_float"
            text = array(copy, np.full(len(values), 1e-5, np.float32))
            parts.append(
                "\n#ifndef USE_WEIGHTS_FILE\n#ifndef DISABLE_DEBUG_FLOAT\n"
                f"{text}#endif /*DISABLE_DEBUG_FLOAT*/\n\n#endif /* x */\n"
            )
            names.append(copy)
    rows = "".join(
        f'#ifdef WEIGHTS_{key}_DEFINED\n    {{"{key}",  WEIGHTS_{key}_TYPE, sizeof({key}), {key}}},'
        "\n#endif\n"
        for key in names
    )
    parts.append(
        f"\n#ifndef USE_WEIGHTS_FILE\nconst WeightArray {name}_arrays[] = {{\n{rows}"
        "    {NULL, 0, 0, NULL}\n};\n#endif /* USE_WEIGHTS_FILE */\n\n"
        f"#ifndef DUMP_BINARY_WEIGHTS\nint init_{name}(Net *model, const WeightArray *arrays) {{\n"
        f'    if (linear_init(&model->first, arrays, "first_bias", NULL, 12, 16)) return 1;\n'
        "    return 0;\n}\n#endif /* DUMP_BINARY_WEIGHTS */\n"
    )
    return "".join(parts)


def stats_arrays(tables: EntropyTables) -> dict[str, npt.NDArray[np.uint8]]:
    rows = ("quant_scales", "dead_zone", "r", "p0")
    return {
        f"dred_{part}_{row}_q8": values[at].reshape(-1)
        for part, values in (("latent", tables.latents), ("state", tables.states))
        for at, row in enumerate(rows)
    }


def stats_source(tables: EntropyTables) -> str:
    head = '/* Auto generated */\n\n#include "dred_rdovae_stats_data.h"\n\n'
    tail = (
        "const WeightArray model_arrays[] = {\n    {NULL, 0, 0, NULL}\n};\n"
        "int init_model(Model *model, const WeightArray *arrays) {\n    return 0;\n}\n"
    )
    arrays = stats_arrays(tables).items()
    return head + "".join(array(name, values, "") for name, values in arrays) + tail


def some_tables() -> EntropyTables:
    values = np.random.default_rng(9).integers(1, 256, TABLE_BYTES)
    return EntropyTables.from_bytes(values.astype(np.uint8).tobytes())


TABLES = some_tables()
SOURCE = network_source(RECORDS)


def same_records(a: Records, b: Records) -> bool:
    return list(a) == list(b) and all(
        a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key]) for key in a
    )


def same_layers(a: dict[str, Weights], b: dict[str, Weights]) -> bool:
    return list(a) == list(b) and all(
        np.array_equal(getattr(a[name], part), getattr(b[name], part))
        for name in a
        for part in ("matrix", "bias", "int8", "scale", "blocks")
    )


def imported(*words: str | Path) -> Any:
    """Run the command within this process; returns its JSON and what it told on stderr."""
    done = CliRunner().invoke(command, [*map(str, words), "--json", "-"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def stored_tables(checkpoint: Path) -> bytes:
    """The entropy tables of a checkpoint as golden/dred_stats_tables.u8 lays them out."""
    arrays = load_file(checkpoint)
    for part, size in (("latent", LATENTS), ("state", STATES)):
        for row in ("scale", "deadzone", "r", "p0"):
            assert arrays[f"{part}_{row}"].dtype == np.uint8
            assert arrays[f"{part}_{row}"].shape == (LEVELS, size)
    names = [f"{p}_{r}" for p in ("latent", "state") for r in ("scale", "deadzone", "r", "p0")]
    return b"".join(arrays[name].tobytes() for name in names)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Graph:
    """A small network in place of the sender's first one."""
    monkeypatch.setattr(release, "NETWORKS", (lambda: GRAPH, pitch))
    return GRAPH


def test_c_tables_and_blob_hold_the_same() -> None:
    read = read_arrays(SOURCE.encode(), "net_data.c")
    assert same_records(read, RECORDS)
    layers = layers_of(read, COLS, "net_data.c")
    assert same_layers(layers, LAYERS)
    assert any(layer.int8 is not None for layer in layers.values())
    assert any(layer.blocks is not None for layer in layers.values())


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


A = "static const opus_int8 a[3] = {\n    1, 2,\n    3\n};\n"


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
    monkeypatch.setattr("toolkit.importers.opus_c.MAX_BYTES", len(A) - 1)
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
    """What is said of a file, nothing if it can be read; it then holds finite numbers."""
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


def test_sources_together(small: Graph, tmp_path: Path) -> None:
    (tmp_path / "net_data.c").write_text(SOURCE)
    (tmp_path / "stats.c").write_text(stats_source(TABLES))
    (tmp_path / "other.c").write_text(A)
    (tmp_path / "net.bin").write_bytes(BLOB)
    from_c = read_release([tmp_path / n for n in ("other.c", "net_data.c", "stats.c")])
    from_blob = read_release([tmp_path / "net.bin"])
    assert list(from_c.networks) == [small.name]
    assert same_layers(from_c.layers, from_blob.layers)
    assert from_c.unused == [str(tmp_path / "other.c")]
    assert [source["kind"] for source in from_c.sources] == ["opus-c"] * 3
    assert from_blob.sources[0]["kind"] == "opus-blob"
    assert from_blob.tables is None
    assert from_c.tables is not None
    assert from_c.tables.to_bytes() == TABLES.to_bytes()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["net.c", "net.bin"], r"net.bin: layer \w+ again; .*net.c has it already"),
        (["net.c", "stats.c", "stats.c"], "stats.c: entropy tables again; .*stats.c has some"),
        (["stats.c"], "stats.c: no network of the sender: layer first is missing"),
        (["part.c"], "part.c: layer gru_input is missing; is it another model"),
        (["nobias.c"], "nobias.c: record last_bias is missing; is the file complete"),
        (["net.c", "absent.c"], "absent.c: no such file; give an Opus 'DNNw' blob"),
        (["empty"], f"empty: has none of {', '.join(FILES)}; give the dnn/ folder"),
        (["text.txt"], "text.txt: not an Opus 'DNNw' weight blob"),
    ],
)
def test_wrong_sources(small: Graph, tmp_path: Path, names: list[str], message: str) -> None:
    assert small is GRAPH
    (tmp_path / "empty").mkdir()
    (tmp_path / "net.bin").write_bytes(BLOB)
    (tmp_path / "text.txt").write_text(SOURCE)
    first = {key: RECORDS[key] for key in RECORDS if key.startswith("first")}
    unbiased = {key: RECORDS[key] for key in RECORDS if key != "last_bias"}
    for name, text in (
        ("net.c", SOURCE),
        ("stats.c", stats_source(TABLES)),
        ("part.c", network_source(first)),
        ("nobias.c", network_source(unbiased)),
    ):
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_release([tmp_path / name for name in names])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (A[:40], "x_data.c:1: truncated"),
        (A.replace("3\n", "128\n"), "x_data.c:3: array a: 128"),
        ("\xff", "x_data.c:1: not C tables"),
        (A, "enc_dense1 is missing"),
    ],
)
def test_damage_writes_nothing(tmp_path: Path, text: str, says: str) -> None:
    source, output = tmp_path / "x_data.c", tmp_path / "out.safetensors"
    source.write_bytes(text.encode("latin-1"))
    output.write_bytes(b"before")
    done = CliRunner().invoke(command, [str(source), "--output", str(output)])
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)
    assert "\n" not in str(done.exception)
    assert sorted(tmp_path.iterdir()) == [output, source]
    assert output.read_bytes() == b"before"


def test_one_line_on_the_command_line(tmp_path: Path) -> None:
    source, output = tmp_path / "x_data.c", tmp_path / "out.safetensors"
    source.write_text(A[:40])
    done = subprocess.run(
        [sys.executable, "-m", "toolkit.cli", "import", source, "--output", output],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"dredkit: {source}:1: truncated: array a has no end '}};'\n"
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("name", ["rdovae_enc", "pitchdnn", "rdovae_dec"])
def test_upstream_as_c_tables(upstream: Path, name: str) -> None:
    records = read_records((upstream / "weights" / f"{name}.bin").read_bytes(), name)
    assert same_records(read_arrays(network_source(records).encode(), name), records)


@pytest.fixture(scope="module")
def unpacked(upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release's folder with the networks and tables of upstream as C tables in dnn/."""
    folder = tmp_path_factory.mktemp("opus-1.6.1")
    (folder / "dnn").mkdir()
    tables = (upstream / "golden" / "dred_stats_tables.u8").read_bytes()
    (folder / "dnn" / FILES[2]).write_text(stats_source(EntropyTables.from_bytes(tables)))
    for file, name in zip(FILES, ("rdovae_enc", "pitchdnn"), strict=False):
        records = read_records((upstream / "weights" / f"{name}.bin").read_bytes(), name)
        (folder / "dnn" / file).write_text(network_source(records, name))
    return folder


def test_upstream_folder(upstream: Path, unpacked: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "opus.safetensors"
    told, _ = imported(unpacked / "dnn", "--output", checkpoint)
    assert list(told["networks"]) == ["rdovae_enc", "pitch"]
    assert told["entropy_tables"] is True
    assert [source["name"] for source in told["sources"]] == list(FILES)
    for graph, name in ((rdovae_encoder(), "rdovae_enc"), (pitch(), "pitchdnn")):
        ours = load_model(checkpoint, graph).layers
        theirs = load_model(upstream / "weights" / f"{name}.bin", graph).layers
        assert same_layers(ours, theirs)
    golden = (upstream / "golden" / "dred_stats_tables.u8").read_bytes()
    assert stored_tables(checkpoint) == golden


def test_upstream_blob_and_tables(upstream: Path, unpacked: Path, tmp_path: Path) -> None:
    whole, checkpoint = tmp_path / "weights_blob.bin", tmp_path / "opus.safetensors"
    names = ("pitchdnn", "fargan", "plc", "rdovae_enc", "rdovae_dec")  # as upstream orders them
    whole.write_bytes(b"".join((upstream / "weights" / f"{n}.bin").read_bytes() for n in names))
    told, _ = imported(whole, unpacked / "dnn" / FILES[2], "--output", checkpoint)
    assert list(told["networks"]) == ["rdovae_enc", "pitch"]
    other = read_release([unpacked])  # finds dnn/ by itself
    for graph in (rdovae_encoder(), pitch()):
        layers = load_model(checkpoint, graph).layers
        assert same_layers(layers, other.networks[graph.name])
    assert other.tables is not None
    assert stored_tables(checkpoint) == other.tables.to_bytes()


def test_what_is_not_there_is_said(upstream: Path, tmp_path: Path) -> None:
    output = tmp_path / "pitch.safetensors"
    told, words = imported(upstream / "weights" / "pitchdnn.bin", "--output", output)
    assert told["entropy_tables"] is False
    assert "rdovae_enc: not in the sources" in words
    assert "pitch: 8 layers" in words
    assert "entropy tables: not in the sources" in words
    assert "latent_scale" not in load_file(output)
    assert load_model(output, pitch()).layers
