# SPDX-License-Identifier: BSD-3-Clause
"""The committed figures: all are there, they add up, and no kernel costs more than before."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.support.compilers import slack
from toolkit.measure import codec
from toolkit.measure.bench.figures import (
    FOLDER,
    KERNELS,
    OPUS,
    RUNS,
    TOLERANCE,
    Figure,
    check_against,
    figures,
    known_figures,
)
from toolkit.measure.bench.goals import TABLE, table
from toolkit.measure.bench.measure import measure_figure
from toolkit.report.bench_plot import bench_svg
from toolkit.targets.target import load_target

# One board of each family of kernels, with runs of both the sender and the receiver.
MEASURED = (
    Figure("mps3-an547", "encoder"),
    Figure("netduinoplus2", "decoder-pulse"),
    Figure("virt-a53", "encoder"),
    Figure("virt-a76", "kernels"),
)


def test_there_are_figures_of_every_emulated_board() -> None:
    wanted = {figure.path.name for figure in figures()} | {TABLE.name, codec.FILE.name}
    assert {path.name for path in FOLDER.iterdir()} == wanted
    assert {(f.target, f.run) for f in MEASURED} <= {(f.target, f.run) for f in figures()}


@pytest.mark.parametrize("figure", list(figures()), ids=lambda f: f"{f.target}-{f.run}")
def test_committed_figures_add_up(figure: Figure) -> None:
    adds_up(figure.read(), figure.run)


def test_the_table_of_goals_is_that_of_the_figures() -> None:
    assert TABLE.read_text(encoding="utf-8") == table()


def test_a_report_finds_the_figures_of_its_model(tmp_path: Path) -> None:
    figure = Figure("mps3-an547", "decoder-pulse")
    committed, board = figure.read(), load_target(figure.target)
    stage, model = committed["stage"], committed["model_hash"]
    found = known_figures(board, stage, model, tmp_path)
    assert found is not None
    assert found["parts"] == committed["parts"]
    assert known_figures(board, stage, "00", tmp_path) is None
    assert known_figures(load_target("virt-a53"), "encoder", model, tmp_path) is None


@pytest.mark.parametrize("figure", MEASURED, ids=lambda f: f"{f.target}-{f.run}")
def test_the_picture_has_a_bar_for_each_layer_and_its_limit(figure: Figure) -> None:
    facts = figure.read()
    picture = ElementTree.fromstring(bench_svg(facts))
    name = "{http://www.w3.org/2000/svg}"
    bars = picture.findall(f"{name}rect")
    limited = [layer for layer in facts["layers"] if layer["least_per_mac"] is not None]
    assert len(bars) == len(facts["layers"]) + len(limited) + 1
    width = float(picture.attrib["viewBox"].split()[2])
    assert all(float(b.attrib["x"]) + float(b.attrib["width"]) < width for b in bars)
    for part in facts["parts"]:
        told = f"{part['mean']:,.0f}"
        assert any((text.text or "").startswith(told) for text in picture.findall(f"{name}text"))
    assert sum(float(b.attrib["width"]) for b in bars) > 700


@pytest.mark.slow
@pytest.mark.parametrize("figure", MEASURED, ids=lambda f: f"{f.target}-{f.run}")
def test_nothing_costs_over_two_percent_more_than_is_committed(
    figure: Figure, tmp_path: Path
) -> None:
    found = measure_figure(figure, tmp_path).as_json()
    adds_up(found, figure.run)
    compiler = f"{load_target(figure.target).toolchain.prefix}gcc"
    check_against(found, figure.read(), TOLERANCE * slack(compiler, 8))


def adds_up(found: dict[str, Any], run: str) -> None:
    """Check that parts add up to the step, layers to the parts, and that every part has work."""
    assert found["stage"] == run.removeprefix(OPUS).split("-")[0]
    assert run in RUNS
    parts = {part["name"]: part for part in found["parts"]}
    total = sum(part["mean"] * part["steps"] for part in parts.values())
    # On some boards a tick is a thirtieth of a unit; apart from this rounding the sum is exact.
    assert total / found["steps"] == pytest.approx(found["step"]["mean"], rel=1e-4, abs=2)
    for name, part in parts.items():
        layers = [layer for layer in found["layers"] if layer["part"] == name]
        assert sum(layer["mean"] for layer in layers) == pytest.approx(part["mean"], abs=4)
        assert sum(layer["macs"] for layer in layers) == part["macs"]
        assert sum(layer["weight_bytes"] for layer in layers) == part["weight_bytes"]
        if part["limit_percent"] is not None:
            assert 1 < part["limit_percent"] < 100
    if run == KERNELS:
        costs = {layer["name"]: layer["per_mac"] for layer in found["layers"] if layer["macs"]}
        assert list(costs) == ["dense", "sparse_half", "sparse_quarter", "wide"]
        assert all(cost < 3 for cost in costs.values())
    elif run.endswith("encoder"):
        assert list(parts) == ["features", "pitch", "rdovae_enc", "payload"]
        # One second, which begins over a second after the start, when payloads no longer grow.
        assert (found["steps"], found["settling"]) == (50, 54)
        assert parts["payload"]["mean"] > 0.8 * parts["payload"]["max"]
        assert sum(part["steps"] for part in parts.values()) == 4 * found["steps"]
        gru = next(layer for layer in found["layers"] if layer["name"] == "gru_1")
        assert (gru["times"], gru["macs"]) == (2, 2 * 2 * 3 * 64 * 64)
        assert parts["pitch"]["weight_bytes_a_second"] == 50 * parts["pitch"]["weight_bytes"]
    else:
        ops = {"hear", "hear after a gap", "payload", "chunk", "first speak", "speak"}
        assert parts.keys() == ops
        assert sum(part["steps"] for part in parts.values()) == found["steps"]
        assert parts["chunk"]["weight_bytes_a_second"] == 25 * parts["chunk"]["weight_bytes"]
        assert parts["chunk"]["macs"] > 10 * parts["payload"]["macs"] / 2
        assert (parts["speak"]["macs"] > 0) == (not run.endswith("pulse"))
        assert parts["first speak"]["mean"] > parts["speak"]["mean"]
