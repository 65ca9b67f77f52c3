# SPDX-License-Identifier: BSD-3-Clause
"""The untrained voice: pulses and noise through the predictor, in integers.

Each half of a frame has its own predictor and gain, from features interpolated to its middle. Below
a cut-off frequency, which rises with the voicing, the excitation is one pulse per pitch period,
less most of the pulses' mean. Above it, the excitation is noise that swells around the pulses. The
filter continues from the samples that were heard, and the pulses continue from the last peak of
their residual.
firmware/dredkit/vocoder/pulse.c gives the same bits.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from quantize.dsp.scalar import EXP_FRAC, LOG_FRAC, Ints, exp2, rounded
from quantize.vocoder import synthesis
from quantize.vocoder.synthesis import CORRELATION, FRAME, ORDER, PITCH, TAP_FRAC

HALF: Final = FRAME // 2
LEVELS: Final = 8  # of voicing; the lowest has no pulses
PHASES: Final = 4  # places of a pulse between two samples
TAPS: Final = 16  # of a pulse and of the noise's filter
CENTRE: Final = TAPS // 2  # the tap at the middle of a pulse
LOWEST_PULSE: Final = 1  # level of the pulse that finds the peaks of heard speech, in its low end
PULSE_FRAC: Final = 15
NOISE_FRAC: Final = 14
SWELL_FRAC: Final = 14
_STEP: Final = 500.0  # Hz of cut-off for a level of voicing
_WIDTH: Final = 700.0  # Hz on each side of the cut-off, over which noise takes over
_SWELL: Final = 0.9  # of the noise, at the highest level
_RATE: Final = 16000.0
_NOISE_DOWN: Final = 2  # bits below full scale, as room for the filter's gain
_VOICED: Final = 10  # levels for a correlation of 1: the highest is reached at 0.7
_JUMP: Final = 256  # of pitch, Q10: a change of more than a quarter of an octave is not a glide

LOUDEST: Final = 14 << LOG_FRAC  # the highest level; full-scale noise has no more
# The signal is Q12 where the excitation is added; the noise is uniform in int16.
PULSE_LOG: Final = TAP_FRAC << LOG_FRAC
NOISE_LOG: Final = int(
    np.floor(
        np.log2(np.sqrt(3.0) * 2.0 ** (TAP_FRAC + _NOISE_DOWN - 15 - SWELL_FRAC + 31))
        * 2.0**LOG_FRAC
        + 0.5
    )
)


def _response(place: npt.NDArray[np.floating], cutoff: float, pulse: bool) -> Ints:
    """Return taps at places (in samples): a low-pass for pulses or a high-pass for noise.

    The powers of both add up to 1 at each frequency.
    """
    frequency = np.arange(0.5, 4000) / 4000 * _RATE / 2
    angle = (np.clip((frequency - cutoff) / _WIDTH, -1, 1) + 1) * np.pi / 4
    turn = 2 * np.pi * frequency[:, None] * place / _RATE
    wave = np.cos(angle)[:, None] * np.cos(turn) if pulse else np.sin(angle)[:, None] * np.sin(turn)
    window = np.cos(np.pi * place / TAPS) ** 2
    frac = PULSE_FRAC if pulse else NOISE_FRAC
    return np.asarray(np.floor(wave.mean(axis=0) * window * 2.0**frac + 0.5), np.int64)


def _pulses() -> Ints:
    """Return [levels, phases, taps] Q15; phase i lies i / 4 of a sample before the middle tap."""
    tables = np.zeros((LEVELS, PHASES, TAPS), np.int64)
    for level in range(1, LEVELS):
        for phase in range(PHASES):
            place = np.arange(TAPS) - CENTRE + phase / PHASES
            tables[level, phase] = _response(place, _STEP * level, pulse=True)
    return tables


def _noises() -> Ints:
    """Return [levels, taps] Q14; the noise is white at the lowest level."""
    tables = np.zeros((LEVELS, TAPS), np.int64)
    tables[0, CENTRE] = 1 << NOISE_FRAC
    for level in range(1, LEVELS):
        place = np.arange(TAPS) - (TAPS - 1) / 2
        tables[level] = _response(place, _STEP * level, pulse=False)
    return tables


def _swells() -> Ints:
    """Return [levels, 2] Q14: the mean of the noise's envelope, and its swing around a pulse."""
    depth = _SWELL * np.arange(LEVELS) / (LEVELS - 1)
    mean = 1 / np.sqrt(1 + depth**2 / 3)
    table = np.stack([mean, depth * mean], axis=1)
    return np.asarray(np.floor(table * 2.0**SWELL_FRAC + 0.5), np.int64)


PULSES: Final[Ints] = _pulses()
# Three quarters of the pulses' mean are taken off. Left in, it makes the voice a decibel too loud
# in gaps (PLCMOS 3.11 for 3.21 there); without any, recordings have more below 50 Hz.
PULSE_MEANS: Final[Ints] = (3 * PULSES[:, 0].sum(axis=1)) >> 2  # [levels], of a pulse's sum, Q15
NOISES: Final[Ints] = _noises()
SWELLS: Final[Ints] = _swells()


def power(log: int) -> int:
    """Return 2^log of a Q24 logarithm below 31, rounded down; 0 for a negative logarithm."""
    whole = log >> LOG_FRAC
    if whole < 0:
        return 0
    return int(exp2(np.asarray(log & ((1 << LOG_FRAC) - 1)))) >> (EXP_FRAC - whole)


class Pulse:
    """One voice: call `begin`, then `frame` for each 10 ms."""

    CONTEXT: ClassVar[int] = 4
    PAST: ClassVar[int] = synthesis.PAST
    KNOWN_FRAMES: ClassVar[int] = 1

    def begin(self, context: Ints, past: Ints) -> None:
        """Start with features [4, 20] Q10, oldest first, and the last 17 PCM samples."""
        context = synthesis.clamped(context)
        self._before, self._now = context[2], context[3]
        self._signal = synthesis.emphasise(past)
        self._pcm = int(past[-1])
        self._hiss = np.zeros(TAPS - 1, np.int64)
        self._draw = synthesis.SEED
        self._tail = np.zeros(TAPS, np.int64)
        self._phase = 0
        self._sign = 1
        self._peak, self._since = 0, FRAME

    def frame(self, ahead: Ints, known: Ints | None = None) -> Ints:
        """Speak 160 samples, or run over `known` ones; `ahead` has the next frame's features."""
        ahead = synthesis.clamped(ahead)
        halves = np.stack([_between(self._before, self._now), _between(ahead, self._now)])
        taps, level = synthesis.predictor(halves[:, :PITCH])
        level = np.minimum(level, LOUDEST)
        if known is None:
            pcm = np.concatenate([self._half(halves[i], taps[i], int(level[i])) for i in range(2)])
        else:
            self._follow(halves[1], taps, int(level[1]), known)
            pcm = known.copy()
        self._before, self._now = self._now, ahead
        return pcm

    def _half(self, features: Ints, taps: Ints, level: int) -> Ints:
        excitation = self._excite(features, level)
        signal = np.concatenate([self._signal, np.zeros(HALF, np.int64)])
        pcm = np.empty(HALF, np.int64)
        last = self._pcm
        for n, wave in enumerate(excitation.tolist()):
            total = int(taps @ signal[n : n + ORDER]) + wave + (1 << (TAP_FRAC - 1))
            sample = synthesis.saturated(total >> TAP_FRAC)
            signal[n + ORDER] = sample
            last = synthesis.deemphasise(sample, last)
            pcm[n] = last
        self._signal, self._pcm = signal[HALF:], last
        return pcm

    def _excite(self, features: Ints, level: int) -> Ints:
        """Return the excitation [80] in Q12 steps of the signal, int32."""
        voiced = _voiced(features)
        step = _step(features)
        phase = (self._phase + step * np.arange(1, HALF + 1)) & 0xFFFFFFFF
        total = np.concatenate([self._tail, np.zeros(HALF, np.int64)])
        for n in np.flatnonzero(phase < step):
            total[n : n + TAPS] += self._pulse(features, level, int(phase[n]))
        self._phase, self._tail = int(phase[-1]), total[HALF:]
        mean, swing = (int(v) for v in SWELLS[voiced])
        near = 2 * np.abs((phase >> 16) - (1 << 15)) - (1 << 15)
        swell = mean + np.right_shift(swing * near, 15)
        loud = power(level + NOISE_LOG)
        noise = np.right_shift(self._noise(voiced) * swell * loud, 31)
        return np.asarray(total[:HALF] + noise - self._mean(features, level))

    def _mean(self, features: Ints, level: int) -> int:
        """Return what is taken off for the mean of the pulses, Q12."""
        whole = (self._height(features, level) * int(PULSE_MEANS[_voiced(features)])) >> PULSE_FRAC
        return (whole * _step(features)) >> 32

    def _noise(self, voiced: int) -> Ints:
        """Return filtered noise [80], int16, at a quarter of full scale."""
        white = np.empty(HALF, np.int64)
        for n in range(HALF):
            self._draw = synthesis.xorshift32(self._draw)
            white[n] = (self._draw >> 16) - (1 << 15)
        hiss = np.concatenate([self._hiss, white])
        self._hiss = hiss[HALF:]
        windows = np.lib.stride_tricks.sliding_window_view(hiss, TAPS)
        return np.asarray(np.right_shift(windows @ NOISES[voiced], NOISE_FRAC + _NOISE_DOWN))

    def _follow(self, features: Ints, taps: Ints, level: int, known: Ints) -> None:
        """Bring the filter and the pulses' phase to the end of a known frame."""
        pcm = np.concatenate([[self._pcm], known])
        signal = np.concatenate([self._signal, synthesis.emphasise(pcm)])
        windows = np.lib.stride_tricks.sliding_window_view(signal, ORDER)[:FRAME]
        which = np.arange(FRAME) // HALF
        residual = signal[ORDER:] - rounded((windows * taps[which]).sum(axis=1), TAP_FRAC)
        self._align(residual, int(synthesis.period(features[PITCH])))
        self._signal, self._pcm = signal[FRAME:], int(known[-1])
        self._resume(features, level)

    def _align(self, residual: Ints, period: int) -> None:
        """Find the low-passed residual's peak in the last period, and how long ago it was."""
        padded = np.concatenate([np.zeros(TAPS - 1, np.int64), residual])
        low = np.right_shift(
            np.lib.stride_tricks.sliding_window_view(padded, TAPS) @ PULSES[LOWEST_PULSE, 0],
            PULSE_FRAC,
        )
        first = max(0, FRAME - period)
        at = first + int(np.abs(low[first:]).argmax())
        peak = int(low[at])
        self._since += FRAME
        if self._since >= period or abs(peak) >= self._peak:
            self._peak, self._since = abs(peak), FRAME - at + TAPS - 1 - CENTRE
            self._sign = -1 if peak < 0 else 1

    def _resume(self, features: Ints, level: int) -> None:
        """Set the phase so that the middle of the next pulse is one period after the peak."""
        step = _step(features)
        turn = (self._since + CENTRE) * step
        self._phase = turn & 0xFFFFFFFF
        self._tail = np.zeros(TAPS, np.int64)
        if turn >> 32:  # that pulse has begun already; only its remainder follows
            ago = self._phase // step + 1
            rest = self._pulse(features, level, self._phase % step)[ago:]
            self._tail[: len(rest)] = rest

    def _pulse(self, features: Ints, level: int, phase: int) -> Ints:
        """Return a pulse [16], Q12, for the sample where the phase passed a whole turn."""
        step = _step(features)
        place = sum(int(phase >= step * i >> 2) for i in range(1, PHASES))
        height = self._height(features, level)
        return rounded(PULSES[_voiced(features), place] * height, PULSE_FRAC)

    def _height(self, features: Ints, level: int) -> int:
        """Return the height of a pulse, Q12, with its sign."""
        return self._sign * power(level + PULSE_LOG + _root_period(features))


def _between(other: Ints, own: Ints) -> Ints:
    """Move features a quarter of the way to a neighbour's, except a pitch that jumps."""
    mixed = rounded(other + 3 * own, 2)
    if abs(int(other[PITCH] - own[PITCH])) > _JUMP:
        mixed[PITCH] = own[PITCH]
    return mixed


def _voiced(features: Ints) -> int:
    """Return the level of voicing, 0 .. 7."""
    correlation = int(synthesis.voicing(features[CORRELATION : CORRELATION + 1])[0])
    return min(LEVELS - 1, (correlation * _VOICED + (1 << 14)) >> 15)


def _octaves(features: Ints) -> int:
    """Return octaves below a period of 256 samples, Q24."""
    return int(features[PITCH] - synthesis.LOWEST[PITCH]) << (LOG_FRAC - synthesis.FEATURE_FRAC)


def _step(features: Ints) -> int:
    """Return how far the phase turns in a sample; a period is 2^32."""
    return power(_octaves(features) + (24 << LOG_FRAC))


def _root_period(features: Ints) -> int:
    """Return the base-2 logarithm, Q24, of the square root of the period in samples."""
    return ((8 << LOG_FRAC) - _octaves(features)) >> 1
