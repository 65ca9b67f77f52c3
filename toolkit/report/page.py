# SPDX-License-Identifier: BSD-3-Clause
"""The page of a verification: one HTML file that has no scripts and fetches nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from quantize.files.write import write_whole
from toolkit.measure.budget import STEP_SECONDS, Budget
from toolkit.measure.codec import codec_cost
from toolkit.report.bench_plot import bench_svg
from toolkit.report.history import trends
from toolkit.report.joins import Join, JoinPlot, plot
from toolkit.report.plots import (
    NEGATIVE,
    POSITIVE,
    Bar,
    Picture,
    Tick,
    cost_bars,
    heat_map,
    spectrogram,
    time_ticks,
    value_ticks,
)
from toolkit.report.record import Record
from toolkit.report.sound import sound_uri
from toolkit.report.text import fit_text
from toolkit.verify.checks import Check, budget_in, checks, mismatch_text

_SHARES = ("ms", "flash", "ram")  # columns of the table of sender, receiver and codec
_TITLES = {
    "latents": "Latents",
    "initial_state": "Initial state",
    "payload_length": "Payload length",
    "payload": "Payload bytes",
}


@dataclass(frozen=True)
class HeatMap:
    """A board's output over time: its title, number of elements, picture and full scale."""

    title: str
    elements: int
    picture: Picture
    full: float


@dataclass(frozen=True)
class Played:
    """What a receiver played: as sound, as a spectrogram, and at its joins.

    `without` is the sound of the same receiver without payloads.
    """

    sound: str | None
    without: str | None
    spectrogram: Picture
    joins: list[JoinPlot]


@dataclass(frozen=True)
class Timeline:
    """All that is drawn over the common time axis; `lost` has spans (left, width)."""

    seconds: float
    ticks: list[Tick]
    sound: str | None
    spectrogram: Picture
    played: Played | None
    lost: list[tuple[float, float]]
    kilohertz: list[Tick]
    maps: list[HeatMap]
    bars: list[Bar]
    cost_ticks: list[Tick]
    limit_at: float
    mismatch_at: float | None


def write_page(record: Record, path: Path) -> None:
    """Write the page of a record, whole or not at all; raises InputError if that fails."""
    write_whole(path, render(record).encode())


def render(record: Record) -> str:
    """Return the page as HTML. Equal records give equal pages."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["si"] = si
    environment.filters["size"] = size
    environment.globals["mismatch_text"] = mismatch_text
    facts = record.facts
    found = checks(facts)
    budget = budget_in(facts)
    slots = _slots(facts)
    page = environment.get_template("page.html.j2").render(
        facts=facts,
        checks=found,
        ok=all(check.ok for check in found),
        verdict=verdict(found),
        scopes={who: _scope(record, c["values"]) for who, c in facts["comparisons"].items()},
        time=_timeline(record),
        budget=budget,
        rates=_rates(budget, facts["model"]["macs"]),
        step_seconds=STEP_SECONDS,
        bench=bench_svg(facts["bench"]) if facts["bench"] else None,
        gap=_longest_gap(facts),
        trends=trends(facts["history"]),
        together=_together(facts, budget),
        found_at=lambda step: slots[min(step, len(slots) - 1)],
        signed_colours=", ".join(
            f"#{colour} {25 * i}%" for i, colour in [*enumerate(NEGATIVE), *enumerate(POSITIVE, 2)]
        ),
    )
    return fit_text(page)


def verdict(found: list[Check]) -> str:
    """Return the outcome in a few words."""
    failed = {check.kind for check in found if not check.ok}
    if not failed:
        judged = all(check.judged for check in found)
        return "Bit-exact and within budget" if judged else "Bit-exact; speed is not judged here"
    words = {
        "sender": "the sender failed",
        "comparison": "not bit-exact",
        "budget": "over budget",
        "memory": "memory does not fit",
    }
    text = ", ".join(word for kind, word in words.items() if kind in failed)
    return text[0].upper() + text[1:]


def si(value: float, unit: str) -> str:
    """Format a figure with a decimal prefix: 15.2 MHz, 13.3 M instructions."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}\u00a0{prefix}{_after(unit)}"
    return f"{value:.3g}\u00a0{unit}"


def _after(unit: str) -> str:
    """Return the unit after a prefix: a symbol joins it (MHz), a word does not (M steps)."""
    return f"\u00a0{unit}" if unit.islower() else unit


def size(value: int) -> str:
    """Format bytes, with KiB beside them where that helps."""
    return f"{value:,} B" if value < 10240 else f"{value:,} B ({value / 1024:,.0f} KiB)"


def _scope(record: Record, values: int) -> str:
    """Return what a comparison covered; the number of compared values tells."""
    steps = record.facts["frames"]
    layers = steps * record.facts["model"]["trace_values"]
    outputs = sum(table.size for table in record.outputs.values())
    scopes = {
        layers: "every layer, every step",
        outputs: "every output, every step",
        layers + outputs: "every layer and output, every step",
    }
    return scopes.get(values, "")


def _timeline(record: Record) -> Timeline:
    facts = record.facts
    rate = facts["recording"]["rate"]
    slots = _slots(facts)
    costs, limit = _by_slot(facts["budget"]["per_frame"], slots), facts["budget"]["limit"]
    covered = len(costs) * STEP_SECONDS
    seconds = max(len(record.pcm) / rate, covered)
    width = 100 * covered / seconds
    maps = []
    for name, table in record.outputs.items():
        if record.played is not None:
            break  # its outputs are the played samples, which have their own spectrogram
        picture, full = heat_map(table * 2.0 ** -facts["model"]["outputs"][name], width)
        maps.append(HeatMap(_TITLES.get(name, name), table.shape[1], picture, full))
    top = 1.08 * max(limit, max(costs))
    last = facts["frames"] - 1  # a surplus step may be the first mismatch: stay in the plot
    steps = [c["first"]["step"] for c in facts["comparisons"].values() if c["first"]]
    return Timeline(
        seconds=seconds,
        ticks=time_ticks(seconds),
        sound=sound_uri(record.pcm, rate),
        spectrogram=spectrogram(record.pcm, rate, seconds),
        played=_played(record, rate, seconds),
        lost=_lost(facts, seconds),
        kilohertz=[Tick(12.5 * khz, str(khz)) for khz in (0, 2, 4, 6, 8)],
        maps=maps,
        bars=cost_bars(costs, limit, top, width),
        cost_ticks=[Tick(100 * v / top, si(v, "").rstrip()) for v in value_ticks(top)],
        limit_at=100 * limit / top,
        mismatch_at=width * (slots[min(*steps, last)] + 0.5) / len(costs) if steps else None,
    )


def _slots(facts: Mapping[str, Any]) -> list[int]:
    """Return the 20 ms of the run that each step belongs to: not every op of a receiver plays."""
    told = facts["playback"]
    return list(range(facts["frames"])) if told is None else told["slots"]


def _longest_gap(facts: Mapping[str, Any]) -> dict[str, int] | None:
    """Return the packets of the longest gap, and the cost of all steps that it needed."""
    told = facts["playback"]
    if told is None or not told["gaps"]:
        return None
    first, count = max(told["gaps"], key=lambda gap: int(gap[1]))
    costs = zip(facts["budget"]["per_frame"], told["slots"], strict=True)
    # The op after the gap counts too: it fades into good audio.
    cost = sum(cost for cost, slot in costs if first <= slot <= first + count)
    return {"packets": count, "cost": cost}


def _by_slot(costs: list[int], slots: list[int]) -> list[int]:
    """Return the cost of the most expensive step in each 20 ms."""
    most = [0] * (slots[-1] + 1)
    for cost, slot in zip(costs, slots, strict=True):
        most[slot] = max(most[slot], cost)
    return most


def _played(record: Record, rate: int, seconds: float) -> Played | None:
    if record.played is None:
        return None
    sent = record.sent
    found = [Join(**told) for told in record.facts["playback"]["joins"]]
    return Played(
        sound=sound_uri(record.played, rate),
        without=None if record.without is None else sound_uri(record.without, rate),
        spectrogram=spectrogram(record.played, rate, seconds),
        joins=[plot(join, sent, record.played, rate) for join in found],
    )


def _lost(facts: Mapping[str, Any], seconds: float) -> list[tuple[float, float]]:
    """Return the spans without packets: left edge and width in percent."""
    scale = 100 * STEP_SECONDS / seconds
    told = facts["playback"] or {"gaps": []}
    return [(scale * first, scale * count) for first, count in told["gaps"]]


def _together(facts: Mapping[str, Any], budget: Budget) -> list[dict[str, Any]]:
    """Return flash, RAM and ms of sender, receiver, both, and codec; empty unless both were run.

    Each is an image with its own copy of what both share, so one image needs less than the sum.
    """
    sender, memory = facts["sender"], facts["memory"]
    if sender is None:
        return []
    step_ms = 1000 * STEP_SECONDS
    rows = [
        {"name": "sender", "ms": step_ms * sender["max"] / sender["limit"], **_sizes(sender)},
        {"name": "receiver", "ms": step_ms * budget.max / budget.limit, **_sizes(memory)},
    ]
    rows.append(_sum("both, at most", rows))
    codec = codec_cost(facts["board"]["core"])
    if codec is None:
        return [*rows, {"name": "codec: not measured on this core", **dict.fromkeys(_SHARES)}]
    per_ms = budget.limit / step_ms  # instructions or cycles; one instruction stands for a cycle
    return [
        *rows,
        *(
            {
                "name": f"libopus {codec.version}, complexity {complexity}, on average",
                "ms": (encode + codec.decode) / per_ms, "flash": codec.flash, "ram": codec.ram,
            }
            for complexity, encode in sorted(codec.encode.items())
        ),
    ]  # fmt: skip


def _sum(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a row that adds others; what one of them lacks, the sum lacks."""
    columns = {key: [row[key] for row in rows] for key in _SHARES}
    return {"name": name} | {
        key: None if None in values else sum(values) for key, values in columns.items()
    }


def _sizes(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: told[key] for key in ("flash", "ram")}


def _rates(budget: Budget, macs: int) -> dict[str, float]:
    """Return what the costs imply: units a second and a MAC, and the clock that they need."""
    return {
        "per_second": budget.mean / STEP_SECONDS,
        "per_mac": budget.mean / macs if macs else 0.0,
        "clock": budget.max / STEP_SECONDS,
        "ms": 1000 * STEP_SECONDS * budget.max / budget.limit,
    }
