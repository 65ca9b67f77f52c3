# SPDX-License-Identifier: BSD-3-Clause
"""Drawings of a run over one common time axis, as plain data for the page.

Positions are percentages of the plot's width or height, so that a page can stretch the plots to
any screen while its text keeps its size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from toolkit.report.png import data_uri, gradient

Int16s = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

COLUMNS = 1000  # no picture is wider: longer runs are averaged (pictures) or peak-held (costs)
_FFT = 512
_HOP = 160  # samples between columns of the spectrogram: 10 ms at 16 kHz
_RANGE_DB = 70.0
_LEVELS = 64  # shades: the eye tells no more apart, and more compress worse
_LIGHT = gradient(["ffffff", "d3deea", "7d9fc4", "2c5282", "0b1a2e"], _LEVELS)
_DARK = gradient(["15171b", "1d3450", "39699c", "93bfe2", "fdfbea"], _LEVELS)
# Zero is transparent, so that one picture serves light and dark pages.
NEGATIVE = ("1f5fa8ff", "3f7fc498", "4d8fd600")
POSITIVE = ("e8823a00", "dd7a3598", "c4500fff")
_SIGNED = np.concatenate([gradient(NEGATIVE, 64), gradient(POSITIVE, 64)[1:]])
_NICE_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, in percent, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Picture:
    """An image `width` percent wide from time zero, for light and for dark pages."""

    light: str
    dark: str
    width: float


@dataclass(frozen=True)
class Bar:
    """The cost of the most expensive of frames first..last; left edge and size in percent."""

    first: int
    last: int
    cost: int
    x: float
    width: float
    height: float
    over: bool


def time_ticks(seconds: float, most: int = 10) -> list[Tick]:
    """Return round times from zero on, at most `most` intervals."""
    step = next((s for s in _NICE_S if seconds / s <= most), seconds / most)
    count = int(seconds / step + 1e-9) + 1
    return [Tick(100 * i * step / seconds, f"{i * step:g}") for i in range(count)]


def value_ticks(top: float, most: int = 4) -> list[float]:
    """Return round values from zero up to `top`."""
    rough = max(top, 1e-9) / most
    unit = 10.0 ** np.floor(np.log10(rough))
    step = float(next(m for m in (1, 2, 2.5, 5, 10) if m * unit >= rough * 0.999) * unit)
    return [i * step for i in range(int(top / step + 1e-9) + 1)]


def spectrogram(pcm: Int16s, rate: int, seconds: float) -> Picture:
    """Draw power over time (25 ms Hann windows) and frequency (0 to rate / 2), the top 70 dB."""
    power = _column_power(pcm)
    loud = 10 * np.log10(np.maximum(power, 1e-12))
    shade = 1 + (loud - max(float(loud.max()), 0.0)) / _RANGE_DB
    pixels = np.rint(np.clip(shade, 0, 1) * (_LEVELS - 1)).astype(np.uint8).T[::-1]
    width = 100 * len(pcm) / rate / seconds
    return Picture(data_uri(pixels, _LIGHT), data_uri(pixels, _DARK), width)


def _column_power(pcm: Int16s) -> Floats:
    """Return the mean power [columns, bins] of the windows in each column."""
    window = np.zeros(_FFT)
    window[(_FFT - 400) // 2 : (_FFT + 400) // 2] = np.hanning(400)
    # A window's middle is the middle of its hop.
    padded = np.pad(pcm, (_FFT - _HOP) // 2 + _HOP)
    frames = -(-len(pcm) // _HOP)
    columns = min(frames, COLUMNS)
    edges = np.linspace(0, frames, columns + 1).astype(int)
    table = np.empty((columns, _FFT // 2))
    for column, (first, last) in enumerate(pairwise(edges)):
        at = _HOP * np.arange(first + 1, last + 1)[:, None] + np.arange(_FFT)
        spectrum = np.fft.rfft(np.take(padded, at, mode="clip") * window, axis=1)[:, 1:]
        table[column] = (spectrum.real**2 + spectrum.imag**2).mean(axis=0)
    return table


def heat_map(values: Floats, width: float) -> tuple[Picture, float]:
    """Draw a table [steps, size], the first element on top; return the picture and its full scale.

    Full scale is the 99.5th percentile of the magnitudes, and shades grow with their square root,
    so that neither a single outlier nor one large element makes the rest pale.
    """
    columns = min(len(values), COLUMNS)
    edges = np.linspace(0, len(values), columns + 1).astype(int)[:-1]
    counts = np.diff(np.append(edges, len(values)))
    means = np.add.reduceat(values, edges, axis=0) / counts[:, None]
    full = float(np.percentile(np.abs(values), 99.5)) or 1.0
    middle = (len(_SIGNED) - 1) // 2
    shade = np.sign(means) * np.sqrt(np.minimum(np.abs(means) / full, 1))
    pixels = np.rint(shade * middle + middle).astype(np.uint8).T
    uri = data_uri(pixels, _SIGNED)
    return Picture(uri, uri, width), full


def cost_bars(costs: Sequence[int], limit: int, top: float, width: float) -> list[Bar]:
    """Return bars of each frame's cost with full height `top`; many frames share a bar."""
    columns = min(len(costs), COLUMNS)
    edges = np.linspace(0, len(costs), columns + 1).astype(int)
    bars = []
    for first, last in pairwise(edges.tolist()):
        cost = max(costs[first:last])
        x, wide = (width * n / len(costs) for n in (first, last - first))
        bars.append(Bar(first, last - 1, cost, x, wide, 100 * cost / top, cost > limit))
    return bars
