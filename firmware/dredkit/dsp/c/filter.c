// SPDX-License-Identifier: BSD-3-Clause
// Scalar filters, for portable C and SIMD32.
#include "dsp/filter.h"

#include "dsp/scalar.h"

#if !defined(DK_ISA_MVE) && !defined(DK_ISA_NEON)

// Compute two samples at once; they share the loads.
void dk_filter(const int32_t taps[DK_FILTER_ROOM], const int16_t *x, size_t count, int32_t *y)
{
    for (const int32_t *end = y + count; y < end; y += 2, x += 2) {
        int64_t first = DK_FILTER_HALF, second = first;
        int32_t sample = x[0];
#pragma GCC unroll 9
        for (size_t k = 0; k < DK_FILTER_TAPS; k += 2) {
            const int32_t middle = x[k + 1];
            first += (int64_t)taps[k] * sample;
            second += (int64_t)taps[k] * middle;
            sample = x[k + 2];
            first += (int64_t)taps[k + 1] * middle;
            second += (int64_t)taps[k + 1] * sample;
        }
        y[0] = dk_filtered(first);
        y[1] = dk_filtered(second);
    }
}

void dk_echo(const int32_t *x, size_t count, int32_t factor, int32_t *y)
{
    int32_t past = *x++;
#pragma GCC unroll 4
    for (const int32_t *end = y + count; y < end; y++) {
        const int32_t now = *x++;
        *y = now + dk_upper_product(2 * past, factor);
        past = now;
    }
}

#endif
