# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit call --table`: small random networks, few packets, PLCMOS faked, real dask clusters."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from distributed import LocalCluster

from quantize.codec.receiver import ReceiverConfig
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from scripts import call_scores
from tests.call.conftest import PACKETS, Fake
from toolkit.call.table import cluster, row, speech
from toolkit.call.table.cluster import run_rows
from toolkit.call.table.conditions import Setup, Voice, above, conditions
from toolkit.call.table.kept import Kept
from toolkit.call.table.row import Row
from toolkit.call.table.schema import TABLE_SCHEMA
from toolkit.call.table.speech import Recording
from toolkit.call.table.summary import interval, rows_for
from toolkit.commands import call
from toolkit.commands.shared import call_models
from toolkit.common.errors import InputError, ToolError
from toolkit.report.schema import require
from toolkit.speech.audio import Pcm, read_speech, write_wav

KEYS = ["none", "plc", "lbrr", "held-pulse", "dred-pulse", "dred-lbrr-pulse"]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, sender: EncoderModel, receiver: DecoderModel, built: Path
) -> Callable[..., Result]:
    """Run the command in this process, with small models and a receiver compiled already."""
    monkeypatch.setattr(call_models, "models_of", lambda sources: (sender, receiver))
    monkeypatch.setattr(call_models, "require", lambda packages: None)
    monkeypatch.setattr(call_models, "scorer_version", lambda: "a fake")
    monkeypatch.setattr(row, "_compiled", lambda model, folder: built)
    monkeypatch.setattr(row, "judge", lambda: Fake().score)
    Fake.scored = 0

    def runs(*words: object) -> Result:
        given = ["--voice", "pulse", "--predictor", "none", "--jobs", "1", *map(str, words)]
        done = CliRunner().invoke(call.command, ["--table", *given])
        assert done.exception is None or done.exit_code, done.exception
        return done

    return runs


@pytest.fixture
def folder(speech: Pcm, tmp_path: Path) -> Path:
    """Return a folder with three short recordings and a file that is none."""
    found = tmp_path / "speech"
    found.mkdir()
    for i in range(3):
        write_wav(found / f"{i}.wav", speech[: 320 * (PACKETS - i)] // (i + 1))
    (found / "notes.txt").write_text("no")
    return found


@pytest.fixture
def setup(sender: EncoderModel, receiver: DecoderModel) -> Setup:
    config = ReceiverConfig(10, 20, 2)
    receivers = {"pulse": receiver}
    return Setup(
        sender, receivers, 48_000, 24_000, 104, 50, config, 0, "libopus", "a fake", "other code"
    )


def test_a_table_compares_in_pairs_and_goes_on_where_it_stopped(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = (folder, "--at", "30", "--at", "20", "--output", out, "--listen", "2")
    run(*words, "--against", "lbrr")
    facts = json.loads((out / "call.json").read_text())
    require(facts, TABLE_SCHEMA, "call.json")
    assert facts["rates"] == [20, 30]
    names = [one["name"] for one in facts["recordings"]]
    assert names == ["0.wav", "1.wav", "2.wav"]
    assert list(facts["conditions"]) == KEYS
    assert Fake.scored == 3 * (1 + 2 * 5)  # without loss, the rate does not matter
    lines = (out / "results.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == Fake.scored

    # A run that was interrupted within a line, and a line that is no result.
    (out / "results.jsonl").write_text("".join([*lines[2:-1], '{"key": "x"}\n', lines[-1][:40]]))
    Fake.scored = 0
    run(*words, "--against", "lbrr")
    assert Fake.scored == 3
    assert json.loads((out / "call.json").read_text()) == facts
    run(*words, "--fade-ms", "5")
    assert Fake.scored == 3 + 3 * 2 * 3  # all that our receiver plays
    run(*words)
    assert Fake.scored == 3 + 3 * 2 * 3
    write_wav(folder / "1.wav", read_speech(folder / "1.wav") // 2)
    run(*words)
    assert Fake.scored == 3 + 3 * 2 * 3 + 11


def test_the_differences_are_paired(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    run(folder, "--at", "20", "--output", tmp_path / "out", "--against", "lbrr")
    facts = json.loads((tmp_path / "out" / "call.json").read_text())
    cells = {key: told["rates"]["20"] for key, told in facts["conditions"].items()}
    scores = {key: np.array(list(at["scores"].values())) for key, at in cells.items()}
    for key, at in cells.items():
        assert at["plcmos"] == pytest.approx(scores[key].mean())
        for other, field in (("lbrr", "against"), ("none", "from_no_loss")):
            apart = scores[key] - scores[other]
            assert at[field]["difference"] == pytest.approx(apart.mean())
            assert at[field]["half"] == pytest.approx(4.302653 * apart.std(ddof=1) / 3**0.5)
    for pair in facts["order"]:
        at = pair["rates"]["20"]
        apart = scores[pair["higher"]] - scores[pair["lower"]]
        assert at["difference"] == pytest.approx(apart.mean())
        assert at["beyond"] == (at["difference"] > at["half"])
    assert ("dred-pulse", "held-pulse") in {(p["higher"], p["lower"]) for p in facts["order"]}
    assert cells["none"]["lost_percent"] == 0
    assert facts["groups"]["given"]["order"] == facts["order"]


def test_bitrates_add_up(run: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    run(folder, "--at", "20", "--output", tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "call.json").read_text())
    for key, told in facts["conditions"].items():
        of = told["rates"]["20"]["bitrates"]
        assert of["base"] + of["lbrr"] + of["redundancy"] == pytest.approx(of["total"])
        assert (of["lbrr"] > 0) == ("lbrr" in key)
        assert (of["redundancy"] > 0) == ("dred" in key)


def test_the_results_page_gets_the_figures(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    run(folder, "--at", "20", "--output", tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "call.json").read_text())
    told = call_scores.text(facts)
    cells = {key: of["rates"]["20"] for key, of in facts["conditions"].items()}
    lbrr, pair = cells["lbrr"], facts["order"][0]["rates"]["20"]
    apart = lbrr["from_no_loss"]
    assert (
        f"| LBRR | {lbrr['plcmos']:.2f} ± {lbrr['half']:.2f} "
        f"| {apart['difference']:+.2f} ± {apart['half']:.2f} |\n"
    ) in told
    figure = f"{pair['difference']:+.2f} ± {pair['half']:.2f}"
    mark = "**" if pair["beyond"] else "*" if pair["difference"] < -pair["half"] else ""
    figure = f"{mark}{figure}{mark}"
    assert f"| DRED, pulse less held, pulse | {figure} |\n" in told
    rates = cells["dred-pulse"]["bitrates"]
    figures = [f"{rates[key] / 1000:.1f}" for key in ("base", "lbrr", "redundancy", "total")]
    assert f"| DRED | {' | '.join(figures)} |\n" in told


def test_the_page_plays_every_way(run: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(folder, "--at", "30", "--at", "20", "--output", out, "--listen", "2")
    facts = json.loads((out / "call.json").read_text())
    page = (out / "index.html").read_text()
    assert page.count("<h2>20 % lost</h2>") == page.count("<h2>30 % lost</h2>") == 1
    assert not re.search(r"https?://|//[a-z]+\.", page)
    assert list(facts["sounds"]) == ["0.wav", "2.wav"]
    told = re.search(r"const told = (\{.*\});", page)
    assert told is not None
    assert json.loads(told[1])["sounds"] == facts["sounds"]
    for rates in facts["sounds"].values():
        assert list(rates) == ["20", "30"]
        for files in rates.values():
            assert sorted(files) == sorted(KEYS)
            assert all((out / file).is_file() for file in files.values())
    # What was played is made again if it is gone, though its score is kept.
    (out / facts["sounds"]["2.wav"]["20"]["plc"]).unlink()
    Fake.scored = 0
    run(folder, "--at", "30", "--at", "20", "--output", out, "--listen", "2")
    assert Fake.scored == 1
    assert (out / facts["sounds"]["2.wav"]["20"]["plc"]).is_file()


def test_an_error_names_recording_and_way(
    run: Callable[..., Result], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = row._played

    def fails(setup: Setup, records: Any, one: Row) -> Pcm:
        if (one.recording, one.condition.key) == ("1.wav", "dred-pulse"):
            raise MemoryError("too little")
        return played(setup, records, one)

    monkeypatch.setattr(row, "_played", fails)
    done = run(folder, "--at", "20", "--output", tmp_path / "out")
    said = "1.wav, 20 % lost, DRED, pulse: MemoryError: too little"
    assert isinstance(done.exception, ToolError)
    assert str(done.exception) == said
    told = json.loads((tmp_path / "out" / "call.json").read_text())
    assert told["status"] == "error"
    assert not (tmp_path / "out" / "index.html").exists()


def one_row(setup: Setup, speech: Pcm) -> tuple[list[Row], dict[str, bytes]]:
    recording = Recording("a", "given", "", "", speech)
    wanted = conditions([Voice("pulse", "pulse", None)])
    return rows_for([recording], [20], wanted, setup), {"a": speech.astype("<i2").tobytes()}


def test_processes_get_bytes_and_refuse_other_code(setup: Setup, speech: Pcm) -> None:
    """What they need travels to them; that they run is told by their refusal."""
    rows, pcm = one_row(setup, speech)
    with pytest.raises(ToolError, match=r"^a, \d+ % lost, .*: .* has another dredkit"):
        run_rows(rows, pcm, setup, 2, None, lambda one, scored: None)


def test_other_machines_are_reached_by_address(setup: Setup, speech: Pcm) -> None:
    rows, pcm = one_row(setup, speech)
    options = {"threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with LocalCluster(n_workers=0, protocol="tcp", **options) as empty:  # type: ignore[no-untyped-call]
        address = empty.scheduler_address
        with pytest.raises(ToolError, match="no workers: start `dask worker"):
            run_rows(rows, pcm, setup, 1, address, lambda one, scored: None)
        empty.scale(1)
        empty.wait_for_workers(1)
        with pytest.raises(ToolError, match="has another dredkit"):
            run_rows(rows, pcm, setup, 1, address, lambda one, scored: None)


def test_a_scheduler_that_is_not_there(
    setup: Setup, speech: Pcm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.2)
    rows, pcm = one_row(setup, speech)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(ToolError, match=f"--dask {address}: no scheduler answers"):
            run_rows(rows, pcm, setup, 1, address, lambda one, scored: None)


def test_a_hash_changes_with_all_that_decides(setup: Setup, speech: Pcm) -> None:
    keys = {one.condition.key: one.key for one in one_row(setup, speech)[0]}
    assert len(set(keys.values())) == len(keys)
    changes: dict[str, dict[str, Any]] = {
        "code": {"code": "x"}, "scorer": {"scorer": "x"}, "seed": {"seed": 1},
        "plain": {"plain_bitrate": 16_000}, "config": {"config": ReceiverConfig(0, 5)},
        "depth": {"depth": 1}, "bitrate": {"bitrate": 32_000},
    }  # fmt: skip
    changed = {
        name: {
            one.condition.key
            for one in one_row(replace(setup, **change), speech)[0]
            if one.key != keys[one.condition.key]
        }
        for name, change in changes.items()
    }
    ours, dred = {key for key in KEYS if "pulse" in key}, {key for key in KEYS if "dred" in key}
    assert changed == {
        "code": set(KEYS), "scorer": set(KEYS), "seed": set(KEYS) - {"none"},
        "plain": set(KEYS) - dred, "config": ours, "depth": ours, "bitrate": dred,
    }  # fmt: skip


def test_a_voice_with_a_predictor_has_a_row_of_it() -> None:
    wanted = conditions([Voice("lpcnet", "lpcnet", "lpcnet, predicting")])
    receivers = {c.key: c.receiver for c in wanted}
    assert receivers == {
        "none": None, "plc": None, "lbrr": None, "predictor-lpcnet": "lpcnet, predicting",
        "dred-lpcnet": "lpcnet", "dred-lbrr-lpcnet": "lpcnet",
    }  # fmt: skip
    pairs = above(wanted)
    assert {("dred-lpcnet", "predictor-lpcnet"), ("predictor-lpcnet", "plc")} <= set(pairs)


def test_an_interval_is_students() -> None:
    values = np.array([1.0, 2.0, 4.0])
    assert interval("x", values) == {"x": pytest.approx(7 / 3), "half": pytest.approx(3.794, 1e-3)}
    assert interval("x", values[:1]) == {"x": 1.0, "half": None}


def test_results_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError):
        Kept(tmp_path / "x" / "results.jsonl")


def test_recordings_are_files_and_folders(folder: Path, tmp_path: Path) -> None:
    names = [one.name for one in speech.given([folder / "2.wav"])]
    assert names == ["2.wav"]
    assert [one.name for one in speech.given([folder])] == ["0.wav", "1.wav", "2.wav"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("EMPTY",), r"no recordings: want files named \*\.wav"),
        (("SPEECH", "SPEECH"), "another recording has this name"),
        (("SPEECH", "--against", "plk"), "want one of none, plc.*'plc'"),
        (("SPEECH", "--lbrr"), "--lbrr: --table does not take it"),
    ],
)
def test_what_cannot_be_is_told(
    run: Callable[..., Result], folder: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    named = {"SPEECH": folder, "EMPTY": tmp_path / "empty"}
    done = run(*(named.get(word, word) for word in words), "--output", tmp_path / "out")
    assert done.exit_code != 0
    assert re.search(said, str(done.exception) + done.output), done.output
    assert Fake.scored == 0
