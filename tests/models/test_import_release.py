# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit import` of an Opus release: blobs and C tables end in the same checkpoint."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from quantize.dred.tables import LATENTS, LEVELS, STATES, EntropyTables
from quantize.errors import InputError
from quantize.nn.graph import Graph
from quantize.nn.topologies import (
    pitch,
    predictor,
    rdovae_decoder,
    rdovae_decoder_init,
    rdovae_encoder,
)
from tests.support.blobs import GRAPH
from tests.support.opus_sources import (
    BLOB,
    RECORDS,
    SOURCE,
    TABLES,
    A,
    network_source,
    same_layers,
    stats_source,
)
from toolkit.commands.import_ import command
from toolkit.models.importers import load_model, release
from toolkit.models.importers.dnnw import read_records
from toolkit.models.importers.release import FILES, NETWORKS, read_release

ROOT = Path(__file__).resolve().parents[2]


def imported(*words: str | Path) -> Any:
    """Run the command in this process; return its JSON and its stderr."""
    done = CliRunner().invoke(command, [*map(str, words), "--json", "-"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def stored_tables(checkpoint: Path) -> bytes:
    """Return a checkpoint's entropy tables as golden/dred_stats_tables.u8 lays them out."""
    arrays = load_file(checkpoint)
    for part, size in (("latent", LATENTS), ("state", STATES)):
        for row in ("scale", "deadzone", "r", "p0"):
            assert arrays[f"{part}_{row}"].dtype == np.uint8
            assert arrays[f"{part}_{row}"].shape == (LEVELS, size)
    names = [f"{p}_{r}" for p in ("latent", "state") for r in ("scale", "deadzone", "r", "p0")]
    return b"".join(arrays[name].tobytes() for name in names)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Graph:
    """Put a small network in place of the first one."""
    monkeypatch.setattr(release, "NETWORKS", (lambda: GRAPH, pitch))
    return GRAPH


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
        (["stats.c"], "stats.c: no network of DRED: layer first is missing"),
        (["part.c"], "part.c: layer gru_input is missing; is it another model"),
        (["nobias.c"], "nobias.c: record last_bias is missing; is the file complete"),
        (["net.c", "absent.c"], "absent.c: no such file; give an Opus 'DNNw' blob"),
        (["empty"], f"empty: has none of {', '.join(FILES)}; give the dnn/ folder"),
        (["text.txt"], "text.txt: is C source, not an Opus 'DNNw' blob; let .* end in .c"),
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


@pytest.fixture(scope="module")
def unpacked(upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a release's folder: upstream's networks and entropy tables as C tables in dnn/."""
    folder = tmp_path_factory.mktemp("opus-1.6.1")
    (folder / "dnn").mkdir()
    tables = (upstream / "golden" / "dred_stats_tables.u8").read_bytes()
    (folder / "dnn" / FILES[2]).write_text(stats_source(EntropyTables.from_bytes(tables)))
    names = ("rdovae_enc", "pitchdnn", "rdovae_dec", "fargan", "plc")
    for file, name in zip((*FILES[:2], *FILES[3:]), names, strict=True):
        records = read_records((upstream / "weights" / f"{name}.bin").read_bytes(), name)
        (folder / "dnn" / file).write_text(network_source(records, name))
    return folder


def test_upstream_folder(upstream: Path, unpacked: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "opus.safetensors"
    told, _ = imported(unpacked / "dnn", "--output", checkpoint)
    networks = ["rdovae_enc", "pitch", "rdovae_dec_init", "rdovae_dec", "fargan", "predictor"]
    assert list(told["networks"]) == networks
    assert told["entropy_tables"] is True
    assert [source["name"] for source in told["sources"]] == list(FILES)
    for graph, name in (
        (rdovae_encoder(), "rdovae_enc"),
        (pitch(), "pitchdnn"),
        (rdovae_decoder_init(), "rdovae_dec"),
        (rdovae_decoder(), "rdovae_dec"),
        (predictor(), "plc"),
    ):
        ours = load_model(checkpoint, graph).layers
        theirs = load_model(upstream / "weights" / f"{name}.bin", graph).layers
        assert same_layers(ours, theirs)
    golden = (upstream / "golden" / "dred_stats_tables.u8").read_bytes()
    assert stored_tables(checkpoint) == golden


def test_upstream_blob_and_tables(upstream: Path, unpacked: Path, tmp_path: Path) -> None:
    whole, checkpoint = tmp_path / "weights_blob.bin", tmp_path / "opus.safetensors"
    names = ("pitchdnn", "fargan", "plc", "rdovae_enc", "rdovae_dec")  # in upstream's order
    whole.write_bytes(b"".join((upstream / "weights" / f"{n}.bin").read_bytes() for n in names))
    told, _ = imported(whole, unpacked / "dnn" / FILES[2], "--output", checkpoint)
    networks = ["rdovae_enc", "pitch", "rdovae_dec_init", "rdovae_dec", "fargan", "predictor"]
    assert list(told["networks"]) == networks
    other = read_release([unpacked])  # finds dnn/ by itself
    for build in NETWORKS:
        graph = build()
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
