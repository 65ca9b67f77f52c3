// SPDX-License-Identifier: BSD-3-Clause
// Scalar normalisation of correlations, for every core but those with NEON.
#include "dsp/normalise.h"

#if !defined(DK_ISA_NEON)

#include "dsp/scalar.h"

// Return 2 dot / energy, Q15, cut towards zero; 2 |dot| <= energy, energy > 0.
static inline int16_t quotient(int32_t dot, uint32_t energy)
{
    const int up = __builtin_clz(energy);
    const uint32_t size = (dk_magnitude(dot) << up) / (energy << up >> 16);
    const int32_t y = size < INT16_MAX ? (int32_t)size : INT16_MAX;
    return (int16_t)(dot < 0 ? -y : y);
}

void dk_normalise16(const int16_t past[DK_CORRELATE_SAMPLES + DK_CORRELATE_LAGS], uint32_t energy,
                    const int32_t dots[DK_CORRELATE_LAGS], int16_t out[DK_CORRELATE_LAGS])
{
    for (const int32_t *end = dots + DK_CORRELATE_LAGS; dots < end; dots++, past++) {
        *out++ = quotient(*dots, energy);
        const int32_t enters = past[DK_CORRELATE_SAMPLES], leaves = *past;
        energy += (uint32_t)(enters * enters) - (uint32_t)(leaves * leaves);
    }
}

#endif
