// SPDX-License-Identifier: BSD-3-Clause
// Scalar peak, energy, products and scaling of spans, for portable C and SIMD32.
#include "dsp/spans.h"

#if !defined(DK_ISA_MVE) && !defined(DK_ISA_NEON)

#include "dsp/scalar.h"

uint32_t dk_peak32(const int32_t *x, size_t count)
{
    uint32_t any = 0;
#pragma GCC unroll 8
    for (const int32_t *end = x + count; x < end; x++) {
        any |= dk_magnitude(*x);
    }
    return any;
}

uint64_t dk_energy32(const int32_t *x, size_t count, int down)
{
    uint64_t energy = 0;
#pragma GCC unroll 4
    for (const int32_t *end = x + count; x < end; x++) {
        const int64_t value = *x >> down;
        energy += (uint64_t)(value * value);
    }
    return energy;
}

int64_t dk_dot32(const int32_t *a, const int32_t *b, size_t count, int down)
{
    int64_t sum = 0;
    if (down == 0) {
#pragma GCC unroll 8
        for (const int32_t *end = a + count; a < end; a++, b++) {
            sum += (int64_t)*a * *b;
        }
        return sum;
    }
#pragma GCC unroll 4
    for (const int32_t *end = a + count; a < end; a++, b++) {
        sum += (int64_t)(*a >> down) * (*b >> down);
    }
    return sum;
}

void dk_scale16(const int32_t *x, size_t count, int shift, int16_t *y)
{
    const int32_t half = shift > 0 ? 1 << (shift - 1) : 0;
    const int down = shift > 0 ? shift : 0, up = down - shift;
#pragma GCC unroll 4
    for (size_t n = 0; n < count; n++) {
        y[n] = (int16_t)(((x[n] + half) >> down) * (1 << up));
    }
}

#endif
