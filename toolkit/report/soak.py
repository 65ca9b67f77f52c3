# SPDX-License-Identifier: BSD-3-Clause
"""The page of a soak: a histogram of ms a frame, its tail, deadline misses, energy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.table import Table

from quantize.files.write import write_whole
from toolkit.report.plots import NEGATIVE, POSITIVE, Tick
from toolkit.report.text import fit_text

_NAMES: Final = {
    "first": "first", "mean": "mean", "p50": "half", "p99": "99 %", "p99.9": "99.9 %",
    "worst": "worst",
}  # fmt: skip


def write_soak_page(facts: Mapping[str, Any], path: Path) -> None:
    """Write the page, whole or not at all."""
    write_whole(path, soak_page(facts).encode())


def soak_page(facts: Mapping[str, Any]) -> str:
    """Return the page as HTML. Equal facts give equal pages."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    edges, counts = facts["histogram"]["edges_ms"], facts["histogram"]["counts"]
    width = 100 / len(counts)
    tallest = max(counts)
    # Logarithmic: one slow frame of an hour must be seen.
    bars = [
        (width * n, width, _height(count, tallest), count, edges[n], edges[n + 1])
        for n, count in enumerate(counts)
        if count
    ]
    span = edges[-1] - edges[0]
    shown = [edges[0] + span * part / 4 for part in range(5)]
    limit = 100 * (facts["limit_ms"] - edges[0]) / span
    page = environment.get_template("soak.html.j2").render(
        facts=facts, bars=bars, verdict=soak_verdict(facts), names=_NAMES,
        ticks=[Tick(25.0 * n, f"{value:.3g}") for n, value in enumerate(shown)],
        limit=limit if 0 <= limit <= 100 else None,
        signed_colours=", ".join(f"#{colour}" for colour in (*NEGATIVE, *POSITIVE)),
    )  # fmt: skip
    return fit_text(page)


def soak_verdict(facts: Mapping[str, Any]) -> str:
    """Return the outcome in a few words."""
    if facts["mismatches"]:
        return f"Not bit-exact: first in frame {facts['first_mismatch']}"
    if facts["misses"]:
        return f"{facts['misses']:,} of {facts['frames']:,} frames over their 20 ms"
    if facts["misses"] is None:
        return "Bit-exact; speed is not judged here"
    return "Bit-exact, and every frame within its 20 ms"


def soak_table(facts: Mapping[str, Any]) -> Table:
    """Return the figures for a terminal."""
    table = Table(show_header=False, box=None, title=soak_verdict(facts), title_justify="left")
    limit = facts["limit_ms"]
    for key, name in _NAMES.items():
        value = facts["ms"][key]
        table.add_row(name, f"{value:.3f} ms", f"{100 * value / limit:.1f} % of {limit:g} ms")
    table.add_row("frames", f"{facts['frames']:,}", facts["label"])
    if facts["misses"] is not None:
        table.add_row("misses", f"{facts['misses']:,}", "frames that cost more than 20 ms")
    if facts["paced"]:
        behind = f"answers after the next frame was due, at worst by {facts['worst_late_ms']:g} ms"
        table.add_row("late", f"{facts['late']:,}", f"{behind}: board, line and host together")
    if facts["energy"] is not None:
        energy = facts["energy"]
        table.add_row(
            "energy",
            f"{energy['mean_uj']:.1f} µJ",
            f"a frame, at worst "
            f"{energy['worst_uj']:.1f} µJ; {energy['idle_mw']:.2f} mW between frames",
        )
    return table


def _height(count: int, tallest: int) -> float:
    """Return a bar's height in percent, by the number of digits; one frame is visible."""
    from math import log10

    return 100 * (log10(count) + 0.3) / (log10(tallest) + 0.3)
