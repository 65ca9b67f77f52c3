// SPDX-License-Identifier: BSD-3-Clause
// Scalar pre-emphasis and window, for portable C and SIMD32.
#include "dsp/window.h"

#include "dsp/scalar.h"

#if !defined(DK_ISA_MVE) && !defined(DK_ISA_NEON)

void dk_emphasise(const int16_t *x, size_t count, int32_t *y)
{
    int32_t past = *x++;
#pragma GCC unroll 4
    for (const int32_t *end = y + count; y < end; y++) {
        const int32_t now = *x++;
        *y = now * (1 << DK_EMPHASIS_FRAC) - DK_PREEMPHASIS * past;
        past = now;
    }
}

void dk_window(int32_t *x, size_t count, const int32_t *rising, int up)
{
    int32_t *last = x + count;
    while (x < last) {
        const int32_t w = *rising++;
        *x = dk_upper_product(*x * (1 << up), w);
        x++;
        last--;
        *last = dk_upper_product(*last * (1 << up), w);
    }
}

#endif
