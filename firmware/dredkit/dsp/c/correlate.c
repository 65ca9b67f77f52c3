// SPDX-License-Identifier: BSD-3-Clause
// Portable sums of products of int16.
#include "dsp/correlate.h"

#if !defined(DK_ISA_MVE) && !defined(DK_ISA_SIMD32) && !defined(DK_ISA_NEON)

int32_t dk_energy16(const int16_t *x, size_t count)
{
    int32_t sum = 0;
    for (size_t k = 0; k < count; k++) {
        sum += x[k] * x[k];
    }
    return sum;
}

void dk_correlate16(const int16_t now[DK_CORRELATE_SAMPLES], const int16_t *past,
                    int32_t dots[DK_CORRELATE_LAGS])
{
    for (size_t i = 0; i < DK_CORRELATE_LAGS; i++) {
        int32_t sum = 0;
        for (size_t k = 0; k < DK_CORRELATE_SAMPLES; k++) {
            sum += now[k] * past[k + i];
        }
        dots[i] = sum;
    }
}

#endif
