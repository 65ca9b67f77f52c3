# SPDX-License-Identifier: BSD-3-Clause
"""A real FFT of 320 points: a complex FFT of 160 = 5 * 2 * 4 * 4 points, then the split.

It decimates in time and has int32 data, Q30 twiddles, and 64-bit sums that are rounded once. No
stage scales its data: with |x| < 2^22 no partial sum exceeds 320 * 2^22 < 2^30.4. The only block
exponent is therefore the one that the caller chose to fill 22 bits. The rounding error is 1e-6 of
the largest bin.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.dsp.scalar import Ints, rounded

POINTS: Final = 320
INPUT_BITS: Final = 22  # |x| < 2^22
TWIDDLE_FRAC: Final = 30
RADICES: Final = (5, 2, 4, 4)
_HALF: Final = POINTS // 2


def _cosines() -> Ints:
    angle = 2.0 * np.pi * np.arange(POINTS) / POINTS
    return np.asarray(np.floor(np.cos(angle) * 2.0**TWIDDLE_FRAC + 0.5), np.int64)


COSINES: Final[Ints] = _cosines()  # cos(2 pi k / 320), k = 0..319, Q30


def _order() -> Ints:
    """Return the place of each input n in the first stage: the digits of n, last radix first."""
    place = np.zeros(_HALF, np.int64)
    for n in range(_HALF):
        rest, size = n, _HALF
        for radix in reversed(RADICES):
            size //= radix
            place[n] += (rest % radix) * size
            rest //= radix
    return place


ORDER: Final[Ints] = _order()


def _twiddle(k: npt.NDArray[np.int64]) -> tuple[Ints, Ints]:
    """Return cos and -sin of 2 pi k / 320, Q30: the factor exp(-2 pi i k / 320)."""
    return COSINES[k % POINTS], COSINES[(k + 80) % POINTS]


def _rotate(re: Ints, im: Ints, k: npt.NDArray[np.int64]) -> tuple[Ints, Ints]:
    c, s = _twiddle(k)
    return rounded(re * c - im * s, TWIDDLE_FRAC), rounded(re * s + im * c, TWIDDLE_FRAC)


def _butterfly(re: list[Ints], im: list[Ints]) -> tuple[list[Ints], list[Ints]]:
    """Return the discrete Fourier transform of 2, 4 or 5 complex numbers."""
    if len(re) == 2:
        return [re[0] + re[1], re[0] - re[1]], [im[0] + im[1], im[0] - im[1]]
    if len(re) == 4:
        a, b = re[0] + re[2], re[0] - re[2]
        c, d = re[1] + re[3], re[1] - re[3]
        e, f = im[0] + im[2], im[0] - im[2]
        g, h = im[1] + im[3], im[1] - im[3]
        return [a + c, b + h, a - c, b - h], [e + g, f - d, e - g, f + d]
    c1, c2 = COSINES[64], COSINES[128]  # cos 72, cos 144 degrees
    s1, s2 = COSINES[16], COSINES[48]  # sin 72, sin 144 degrees
    sum_re, dif_re = [re[1] + re[4], re[2] + re[3]], [re[1] - re[4], re[2] - re[3]]
    sum_im, dif_im = [im[1] + im[4], im[2] + im[3]], [im[1] - im[4], im[2] - im[3]]

    def mix(x: list[Ints], a: np.int64, b: np.int64) -> Ints:
        return rounded(x[0] * a + x[1] * b, TWIDDLE_FRAC)

    even = [(re[0] + mix(sum_re, *m), im[0] + mix(sum_im, *m)) for m in ((c1, c2), (c2, c1))]
    odd = [(mix(dif_re, *m), mix(dif_im, *m)) for m in ((s1, s2), (s2, -s1))]
    (a, b), (g, h) = even[0], odd[0]  # bins 1 and 4 are even -+ i odd
    (c, d), (u, v) = even[1], odd[1]  # bins 2 and 3
    return (
        [re[0] + sum_re[0] + sum_re[1], a + h, c + v, c - v, a - h],
        [im[0] + sum_im[0] + sum_im[1], b - g, d - u, d + u, b + g],
    )


def real_fft(x: Ints) -> tuple[Ints, Ints]:
    """Return the spectrum of [frames, 320] with |x| < 2^22.

    Real and imaginary parts are [frames, 161] int32.
    """
    frames = len(x)
    re = np.empty((frames, _HALF), np.int64)
    im = np.empty((frames, _HALF), np.int64)
    re[:, ORDER], im[:, ORDER] = x[:, 0::2], x[:, 1::2]
    size = 1
    for radix in RADICES:
        j = np.arange(size)
        turn = POINTS // (size * radix)
        parts_re = re.reshape(frames, -1, radix, size)
        parts_im = im.reshape(frames, -1, radix, size)
        turned = [_rotate(parts_re[:, :, q], parts_im[:, :, q], j * q * turn) for q in range(radix)]
        out_re, out_im = _butterfly([t[0] for t in turned], [t[1] for t in turned])
        re = np.stack(out_re, axis=2).reshape(frames, _HALF)
        im = np.stack(out_im, axis=2).reshape(frames, _HALF)
        size *= radix
    return _split(re, im)


def _split(re: Ints, im: Ints) -> tuple[Ints, Ints]:
    """Split off the spectrum of a real signal: even samples were real parts, odd imaginary."""
    k = np.arange(_HALF + 1)
    near, far = k % _HALF, (_HALF - k) % _HALF
    even_re, even_im = re[:, near] + re[:, far], im[:, near] - im[:, far]
    odd_re, odd_im = im[:, near] + im[:, far], re[:, far] - re[:, near]
    c, s = _twiddle(k)
    one = np.int64(1) << TWIDDLE_FRAC
    return (
        rounded(even_re * one + odd_re * c - odd_im * s, TWIDDLE_FRAC + 1),
        rounded(even_im * one + odd_re * s + odd_im * c, TWIDDLE_FRAC + 1),
    )
