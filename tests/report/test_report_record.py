# SPDX-License-Identifier: BSD-3-Clause
"""A record reads back as it was written, or is refused in one line."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.verifications import SAMPLES, STEPS, verification
from toolkit.common.errors import InputError
from toolkit.report import write_verification
from toolkit.report.junit import junit
from toolkit.report.page import render
from toolkit.report.record import load_record, save_record
from toolkit.verify.verify import Verification


@pytest.fixture(scope="module")
def good(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Verification:
    return verification(clip, tmp_path_factory.mktemp("audio"))


def test_a_record_comes_back_as_it_was(good: Verification, tmp_path: Path) -> None:
    saved = save_record(good, tmp_path)
    loaded = load_record(tmp_path)
    assert loaded.facts == saved.facts
    assert np.array_equal(loaded.inputs, good.inputs)
    assert loaded.pcm.shape == (SAMPLES,)
    assert list(loaded.outputs) == ["latents", "side"]
    for name, values in good.outputs.items():
        assert np.array_equal(loaded.outputs[name], values)
    public = good.as_json()
    assert {key: loaded.facts[key] for key in public} == json.loads(json.dumps(public))


def test_four_files_and_no_partial_ones(good: Verification, tmp_path: Path) -> None:
    write_verification(good, tmp_path / "deep" / "down")
    names = sorted(path.name for path in (tmp_path / "deep" / "down").iterdir())
    assert names == ["index.html", "junit.xml", "run.npz", "verify.json"]


def test_a_folder_that_cannot_be_written_is_one_line(good: Verification, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*run\.npz: ") as caught:
        write_verification(good, tmp_path / "file" / "folder")
    assert "\n" not in str(caught.value)


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        facts = json.loads((folder / "verify.json").read_text())
        change(facts)
        (folder / "verify.json").write_text(json.dumps(facts))

    return damage


def swap_run(folder: Path, arrays: dict[str, Any]) -> None:
    """Write another run.npz with the right hash."""
    with np.load(folder / "run.npz") as file:
        kept = {name: file[name] for name in file.files}
    kept.update(arrays)
    named: dict[str, Any] = {name: value for name, value in kept.items() if value is not None}
    np.savez(folder / "run.npz", **named)
    digest = hashlib.sha256((folder / "run.npz").read_bytes()).hexdigest()
    edit(lambda facts: facts["run"].update(sha256=digest))(folder)


def flip(folder: Path) -> None:
    data = bytearray((folder / "run.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "run.npz").write_bytes(data)


def folder_instead(folder: Path) -> None:
    (folder / "run.npz").unlink()
    (folder / "run.npz").mkdir()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no record": (lambda f: (f / "verify.json").unlink(), "no verify.json here"),
    "no run": (lambda f: (f / "run.npz").unlink(), "run.npz: cannot be read: No such file"),
    "folder": (folder_instead, "run.npz: cannot be read: Is a directory"),
    "empty": (lambda f: (f / "verify.json").write_bytes(b""), "verify.json: damaged: not JSON"),
    "cut off": (
        lambda f: (f / "verify.json").write_bytes((f / "verify.json").read_bytes()[:900]),
        "verify.json: damaged: not JSON",
    ),
    "binary": (lambda f: (f / "verify.json").write_bytes(b"\xff\xfe\0"), "damaged: not JSON"),
    "deep": (lambda f: (f / "verify.json").write_text("[" * 100_000), "damaged: not JSON"),
    "list": (lambda f: (f / "verify.json").write_text("[]"), "not a dredkit-verification-1 file"),
    "foreign": (edit(lambda x: x.update(format="other-2")), "not a dredkit-verification-1 file"),
    "no key": (edit(lambda x: x["model"].pop("macs")), "damaged: model.macs is missing"),
    "type": (edit(lambda x: x.update(frames="25")), "damaged: frames is '25'"),
    "bool": (edit(lambda x: x["budget"].update(limit=True)), "damaged: budget.limit is True"),
    "nan": (edit(lambda x: x["link"].update(seconds=float("nan"))), "link.seconds is nan"),
    "zero": (edit(lambda x: x["budget"].update(limit=0)), "damaged: budget.limit is 0"),
    "item": (
        edit(lambda x: x["model"]["layers"][3].update(macs=-1)),
        r"damaged: model.layers\[3\].macs is -1",
    ),
    "first": (
        edit(lambda x: x["comparisons"]["host C"].update(first={"layer": "a"})),
        "damaged: comparisons.host C.first.who is missing",
    ),
    "costs": (edit(lambda x: x["budget"]["per_frame"].pop()), "budget does not add up"),
    "sum": (edit(lambda x: x.update(mismatches=1)), "mismatches does not add up"),
    "flipped": (flip, "run.npz: damaged, or from another run than verify.json"),
    "no array": (lambda f: swap_run(f, {"pcm": None}), "run.npz: damaged"),
    "floats": (lambda f: swap_run(f, {"inputs": np.zeros((STEPS, 12))}), "inputs does not fit"),
    "short": (
        lambda f: swap_run(f, {"output_side": np.zeros((STEPS - 1, 8), np.int16)}),
        "side does not fit",
    ),
    "unknown": (
        lambda f: swap_run(f, {"output_x": np.zeros((STEPS, 8), np.int16)}),
        "x does not fit",
    ),
    "pickle": (lambda f: swap_run(f, {"pcm": np.array([{}])}), "run.npz: damaged"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_is_one_line(name: str, good: Verification, tmp_path: Path) -> None:
    damage, message = DAMAGE[name]
    save_record(good, tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load_record(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(position=st.integers(0, 2**31), value=st.binary(min_size=0, max_size=3))
def test_any_damage_to_the_facts_is_refused_or_harmless(
    good: Verification, tmp_path: Path, position: int, value: bytes
) -> None:
    if not (tmp_path / "whole.json").exists():
        save_record(good, tmp_path)
        (tmp_path / "verify.json").rename(tmp_path / "whole.json")
    data = (tmp_path / "whole.json").read_bytes()
    at = position % len(data)
    (tmp_path / "verify.json").write_bytes(data[:at] + value + data[at + 1 :])
    try:
        damaged = load_record(tmp_path)
    except InputError:
        return
    assert render(damaged).startswith("<!DOCTYPE html>")
    ElementTree.fromstring(junit(damaged.facts))
