# SPDX-License-Identifier: BSD-3-Clause
"""The tables that `dredkit bench` prints: the figures of toolkit/measure/bench/bench.py."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from toolkit.measure.bench.figures import Figure

Facts = Mapping[str, Any]

_HEADINGS = ("", "mean", "%", "MACs", "a MAC", "limit", "bytes read")


def bench_table(facts: Facts, with_layers: bool) -> Table:
    """Return one measurement by part and, if `with_layers`, by layer."""
    step = facts["step"]
    estimate = f" ({step['model']}: an estimate)" if step["estimated"] else ""
    limits = "; ".join(
        f"{limit['weights']} weights {limit['per_mac']} a MAC: " + ", ".join(limit["instructions"])
        for limit in facts["isa_limits"]
    )
    rows = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=f"{facts['target']}, {facts['stage']}: {facts['unit']} a step",
        pad_edge=False,
        caption=f"costliest step {step['max']:,}, {step['used_percent']:.1f} % of 20 ms "
        f"of the board's own clock"
        f"{estimate}\nlimit of the ISA {facts['isa']}: {limits or 'none known'}",
    )
    estimated = facts["cycles"] is not None
    if estimated:
        rows.caption = f"{rows.caption}\ncycles are estimated: {facts['cycles']['model']}"
    for heading in _HEADINGS + ("cycles",) * estimated:
        rows.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    whole = step["mean"] * facts["steps"]
    for part in facts["parts"]:
        own = [layer for layer in facts["layers"] if layer["part"] == part["name"]]
        often = "" if part["steps"] == facts["steps"] else f" x{part['steps']}"
        rows.add_row(
            Text.assemble((part["name"], "bold"), often), *_figures(part, part["steps"], whole)
        )
        for layer in own if with_layers and len(own) > 1 else ():
            times = f" x{layer['times']}" if layer["times"] > 1 else ""
            rows.add_row(f"  {layer['name']}{times}", *_figures(layer, part["steps"], whole))
    rows.add_section()
    rows.add_row(Text("step", "bold"), f"{step['mean']:,.0f}")
    return rows


def _figures(costs: Facts, steps: int, whole: float) -> tuple[str, ...]:
    def shown(key: str, form: str) -> str:
        return "" if not costs[key] else format(costs[key], form)

    share = f"{100 * costs['mean'] * steps / whole:.1f}"
    percent = shown("limit_percent", ".0f")
    return (
        f"{costs['mean']:,.0f}", share, shown("macs", ","),
        shown("per_mac", ".3f"), f"{percent} %" if percent else "", shown("weight_bytes", ","),
        *(() if costs["cycles"] is None else (f"{costs['cycles']:,.0f}",)),
    )  # fmt: skip


def figures_table(measured: Mapping[Figure, Facts]) -> Table:
    """Return many measurements, one row a part."""
    rows = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    texts = ("target", "run", "part")
    for heading in (*texts, "mean", "a MAC", "limit"):
        rows.add_column(heading, justify="left" if heading in texts else "right", no_wrap=True)
    for figure, facts in measured.items():
        for part in facts["parts"]:
            shown = _figures(part, part["steps"], facts["step"]["mean"] * facts["steps"])
            names = figure.target, figure.run, part["name"]
            rows.add_row(*names, *(shown[i] for i in (0, 3, 4)))
    return rows
