# SPDX-License-Identifier: BSD-3-Clause
"""A drawing of what `dredkit bench` measured: one bar for each part, its layers stacked.

Below each bar is the ISA's limit: what multiplications and loads of weights alone would take.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from quantize.files.write import write_whole

_WIDTH = 960  # of the whole drawing, in its own units
_LEFT, _RIGHT = 150, 110  # for names and figures
_ROW, _BAR, _LIMIT = 46, 22, 8  # heights of a part, its bar and its limit
_TOP, _FOOT = 30, 26
_LETTER = 6.2  # mean width of a letter
_SHADES = (("#4a7fb5", "#ffffff"), ("#86abd2", "#12263d"))  # colours of a layer and its name
_LIMIT_COLOUR = "#d9722e"
_FONT = 'font-family="system-ui, Noto Sans, DejaVu Sans, sans-serif" font-size="12"'


@dataclass(frozen=True)
class _Segment:
    """A layer within a part's bar; `least` is its limit, None without one."""

    name: str
    cost: float
    least: float | None


def bench_svg(facts: Mapping[str, Any]) -> str:
    """Return a bench's figures as an SVG; text takes the colour of the surrounding page."""
    parts = facts["parts"]
    height = _TOP + _ROW * len(parts) + _FOOT
    room = _WIDTH - _LEFT - _RIGHT
    scale = room / max(max(part["mean"] for part in parts), 1.0)
    title = f"{facts['target']}, {facts['stage']}: {facts['unit']} a step, by part and layer"
    body = [f'<text x="0" y="16" font-weight="600">{escape(title)}</text>']
    for row, part in enumerate(parts):
        body += _part(part, _segments(part, facts), _TOP + row * _ROW, scale, facts["unit"])
    foot = "under each bar: what the ISA needs at least for multiplications and weights"
    body.append(
        f'<rect x="{_LEFT}" y="{height - 18}" width="14" height="{_LIMIT}" '
        f'fill="{_LIMIT_COLOUR}"/>'
        f'<text x="{_LEFT + 20}" y="{height - 10}" opacity="0.7">{foot}</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="100%" '
        f'role="img" fill="currentColor" {_FONT}><title>{escape(title)}</title>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def write_plot(facts: Mapping[str, Any], path: Path) -> None:
    """Write the SVG, whole or not at all; raises InputError if that fails."""
    write_whole(path, bench_svg(facts).encode())


def _segments(part: Mapping[str, Any], facts: Mapping[str, Any]) -> list[_Segment]:
    """Return the layers of a part, the most expensive first."""
    own = [layer for layer in facts["layers"] if layer["part"] == part["name"]]
    found = [
        _Segment(
            f"{layer['name']} ×{layer['times']}" if layer["times"] > 1 else layer["name"],
            max(layer["mean"], 0.0),
            None if layer["least_per_mac"] is None else layer["least_per_mac"] * layer["macs"],
        )
        for layer in own
    ]
    return sorted(found, key=lambda segment: -segment.cost)


def _part(
    part: Mapping[str, Any], segments: list[_Segment], top: int, scale: float, unit: str
) -> Iterator[str]:
    share = f" {part['limit_percent']:.0f} %" if part["limit_percent"] is not None else ""
    often = f" ×{part['steps']}" if part["a_second"] is None else ""
    yield (
        f'<text x="{_LEFT - 8}" y="{top + 15}" text-anchor="end">{escape(part["name"] + often)}'
        "</text>"
    )
    x, limit = float(_LEFT), float(_LEFT)
    for number, segment in enumerate(segments):
        width = segment.cost * scale
        shade, ink = _SHADES[number % 2]
        told = f"{segment.name}: {segment.cost:,.0f} {unit}"
        if segment.least is not None:
            told += f", at least {segment.least:,.0f}"
        yield (
            f'<rect x="{x:.2f}" y="{top}" width="{width:.2f}" height="{_BAR}" '
            f'fill="{shade}"><title>{escape(told)}</title></rect>'
        )
        if _LETTER * len(segment.name) < width - 8:
            yield (
                f'<text x="{x + 4:.2f}" y="{top + 15}" fill="{ink}">{escape(segment.name)}</text>'
            )
        if segment.least is not None:
            least = segment.least * scale
            yield (
                f'<rect x="{limit:.2f}" y="{top + _BAR + 2}" width="{max(least - 0.5, 0):.2f}" '
                f'height="{_LIMIT}" fill="{_LIMIT_COLOUR}"><title>{escape(told)}</title></rect>'
            )
            limit += least
        x += width
    yield f'<text x="{x + 6:.2f}" y="{top + 15}">{part["mean"]:,.0f}{share}</text>'
