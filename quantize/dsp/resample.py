# SPDX-License-Identifier: BSD-3-Clause
"""Convert 8, 12, 24 or 48 kHz to the 16 kHz of the features, with libopus' filters.

libopus stuffs zeros to a common rate, runs a seventh-order elliptic filter (0.2 dB, 70 dB) there
and keeps every third sample. Most of that work multiplies by zero or is thrown away. Here numerator
and denominator are multiplied by the same polynomial, which leaves the filter unchanged: the factor
1 + p z^-1 + p^2 z^-2 for every pole p. The denominator then is a polynomial in z^3, so the
recursion runs at 16 kHz only, as second-order sections. The numerator has 22 taps. They are
evaluated only for kept samples and nonzero inputs: 22, 11, 6 or 4 products a sample, and 7 for the
recursion, at any rate.

libopus also delays the signal at 16 kHz by 11 samples, whatever rate it came from. For 16 kHz input
`resample` does only this; after the filters quantize/codec/sender.py does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import ellip

from quantize.dsp.scalar import Ints, rounded, saturate
from quantize.errors import InputError

DELAY_16K: Final = 11
SECTIONS: Final = 4
TAP_FRAC: Final = 28
POLE_FRAC: Final = 30
# Fraction bits of the sections. Their gain is 9 at most (a test adds up the impulse responses), so
# a full-scale input gives 2^15 * 9 * 2^11, which fits int32.
STATE_FRAC: Final = 11
BLOCK: Final = 160  # samples out for each 10 ms in
_ORDER, _RIPPLE_DB, _STOP_DB = 7, 0.2, 70.0


@dataclass(frozen=True)
class Filter:
    """One rate's filter: output m takes inputs up to m * down // up."""

    rate: int
    up: int
    down: int
    taps: Ints  # [up, taps] Q28, phase m % up; the newest input first
    poles: Ints  # [4, 2] Q30: y[m] = x[m] - a1 y[m-1] - a2 y[m-2], one section after another


def _design(rate: int, up: int, down: int, edge: float) -> Filter:
    zeros, poles, gain = ellip(_ORDER, _RIPPLE_DB, _STOP_DB, edge, output="zpk")
    numerator = np.poly(zeros) * gain * up
    for pole in poles:
        numerator = np.convolve(numerator, pole ** np.arange(down))
    numerator = np.append(numerator.real, np.zeros(-len(numerator) % (2 * up)))
    # Output m keeps the taps k with (down m - k) a multiple of up; C wants an even count of them.
    taps = np.array([numerator[(down * m) % up :: up] for m in range(up)])
    powers = poles**down
    pairs = sorted((p for p in powers if p.imag > 1e-9), key=abs, reverse=True)
    sections = [[-2 * p.real, abs(p) ** 2] for p in pairs]
    sections += [[-p.real, 0.0] for p in powers if abs(p.imag) <= 1e-9]
    return Filter(rate, up, down, _fixed(taps, TAP_FRAC), _fixed(np.array(sections), POLE_FRAC))


def _fixed(x: npt.NDArray[np.float64], frac: int) -> Ints:
    return np.asarray(np.floor(x * 2.0**frac + 0.5), np.int64)


FILTERS: Final = {
    rate: _design(rate, up, down, edge)
    for rate, up, down, edge in (
        (8000, 2, 1, 3900 / 8000),
        (12000, 4, 3, 5800 / 24000),
        (24000, 2, 3, 7750 / 24000),
        (48000, 1, 3, 7750 / 24000),
    )
}
RATES: Final = (*FILTERS, 16000)


def resample(pcm: npt.NDArray[np.integer], rate: int) -> npt.NDArray[np.int16]:
    """Convert int16 PCM at `rate` to 16 kHz, from rest, in whole blocks of 10 ms.

    Raises InputError for a rate outside RATES or PCM that is not one channel of int16.
    """
    if rate not in RATES:
        known = ", ".join(str(r) for r in sorted(RATES))
        raise InputError(f"cannot take audio at {rate} Hz: give one of {known}")
    if pcm.ndim != 1 or pcm.dtype != np.int16:
        raise InputError(f"PCM of shape {pcm.shape}, type {pcm.dtype}: give one channel of int16")
    samples = pcm[: len(pcm) // (rate // 100) * (rate // 100)].astype(np.int64)
    if rate == 16000:
        delayed = np.concatenate([np.zeros(DELAY_16K, np.int64), samples])[: len(samples)]
        return delayed.astype(np.int16)
    spec = FILTERS[rate]
    m = np.arange(len(samples) * spec.up // spec.down)
    newest = m * spec.down // spec.up
    width = spec.taps.shape[1]
    padded = np.concatenate([np.zeros(width - 1, np.int64), samples])
    acc = np.zeros(len(m), np.int64)
    for j in range(width):
        acc += spec.taps[m % spec.up, j] * padded[newest + width - 1 - j]
    values = rounded(acc, TAP_FRAC - STATE_FRAC).tolist()
    for a1, a2 in spec.poles.tolist():
        values = _section(values, a1, a2)
    return saturate(rounded(np.array(values, np.int64), STATE_FRAC), 16).astype(np.int16)


def _section(x: list[int], a1: int, a2: int) -> list[int]:
    y1 = y2 = 0
    out = []
    for value in x:
        y = value - ((a1 * y1 + a2 * y2 + (1 << (POLE_FRAC - 1))) >> POLE_FRAC)
        out.append(y)
        y2, y1 = y1, y
    return out
