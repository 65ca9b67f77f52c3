# SPDX-License-Identifier: BSD-3-Clause
"""The committed figures: there are all of them, they add up, and no kernel has grown dearer."""

from pathlib import Path
from typing import Any

import pytest

from toolkit.figures import FOLDER, RUNS, Figure, Shipped, check_against, figures
from toolkit.measure import measure_figure

# One board of each family of kernels; a part of the sender and of the receiver each.
MEASURED = (
    Figure("mps3-an547", "encoder"),
    Figure("netduinoplus2", "decoder-pulse"),
    Figure("virt-a53", "encoder"),
)


@pytest.fixture(scope="module")
def shipped() -> Shipped:
    return Shipped()


def test_there_are_figures_of_every_emulated_board() -> None:
    wanted = {figure.path.name for figure in figures()}
    assert {path.name for path in FOLDER.iterdir()} == wanted
    assert {(f.target, f.run) for f in MEASURED} <= {(f.target, f.run) for f in figures()}


@pytest.mark.parametrize("figure", list(figures()), ids=lambda f: f"{f.target}-{f.run}")
def test_committed_figures_add_up(figure: Figure) -> None:
    adds_up(figure.read(), figure.run)


@pytest.mark.slow
@pytest.mark.parametrize("figure", MEASURED, ids=lambda f: f"{f.target}-{f.run}")
def test_nothing_costs_over_two_percent_more_than_is_committed(
    figure: Figure, shipped: Shipped, tmp_path: Path
) -> None:
    found = measure_figure(figure, shipped, tmp_path).as_json()
    adds_up(found, figure.run)
    check_against(found, figure.read())


def adds_up(found: dict[str, Any], run: str) -> None:
    """Parts make the step, layers the parts, and every part has its work."""
    assert found["stage"] == run.split("-")[0]
    assert run in RUNS
    parts = {part["name"]: part for part in found["parts"]}
    total = sum(part["mean"] * part["steps"] for part in parts.values())
    # Units are counted in ticks of a thirtieth on some boards: rounding apart, exact.
    assert total / found["steps"] == pytest.approx(found["step"]["mean"], rel=1e-4, abs=2)
    for name, part in parts.items():
        layers = [layer for layer in found["layers"] if layer["part"] == name]
        assert sum(layer["mean"] for layer in layers) == pytest.approx(part["mean"], abs=4)
        assert sum(layer["macs"] for layer in layers) == part["macs"]
        assert sum(layer["weight_bytes"] for layer in layers) == part["weight_bytes"]
        if part["limit_percent"] is not None:
            assert 1 < part["limit_percent"] < 100
    if run == "encoder":
        assert list(parts) == ["features", "pitch", "rdovae_enc", "payload"]
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
        assert (parts["speak"]["macs"] > 0) == (run == "decoder-lpcnet")
        assert parts["first speak"]["mean"] > parts["speak"]["mean"]
