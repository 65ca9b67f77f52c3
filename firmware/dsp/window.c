// SPDX-License-Identifier: BSD-3-Clause
#include "dsp/window.h"

#if !defined(DK_DSP_MVE)

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

// The upper word of a product, rounded.
static inline int32_t upper_product(int32_t a, int32_t b)
{
#if defined(DK_DSP_SIMD32)
    int32_t y;
    __asm("smmulr %0, %1, %2" : "=r"(y) : "r"(a), "r"(b));
    return y;
#else
    return (int32_t)(((int64_t)a * b + (1LL << 31)) >> 32);
#endif
}

void dk_window(int32_t *x, size_t count, const int32_t *rising, int up)
{
    int32_t *last = x + count;
    while (x < last) {
        const int32_t w = *rising++;
        *x = upper_product(*x * (1 << up), w);
        x++;
        last--;
        *last = upper_product(*last * (1 << up), w);
    }
}

#endif
