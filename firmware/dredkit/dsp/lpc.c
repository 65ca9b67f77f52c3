// SPDX-License-Identifier: BSD-3-Clause
// Levinson's recursion in fixed point.
#include "dsp/lpc.h"

#include <string.h>

#include "dsp/scalar.h"

#define REFLECTION_FRAC 30
#define COEFFICIENT_BITS 30  // within +-32: sums of 15 products of 2^29 and 2^30 fit 64 bits
#define ENOUGH 66            // 0.001, Q16

static int32_t reflection(int64_t acc, int32_t error)
{
    const uint64_t magnitude = dk_magnitude64(acc);
    const uint64_t most = (uint64_t)error - 1;
    const uint64_t size = magnitude < most ? magnitude : most;
    const int32_t k = (int32_t)((size << REFLECTION_FRAC) / (uint64_t)error);
    return acc > 0 ? -k : k;
}

// Return coefficient + k * mirrored, clipped. |k| < 2^30 and |mirrored| < 2^29, so the change is
// below 2^29 too.
static inline int32_t changed(int32_t coefficient, int32_t k, int32_t mirrored)
{
    static_assert(REFLECTION_FRAC == 30, "a fourth of an upper word");
    const int32_t top = (1 << (COEFFICIENT_BITS - 1)) - 1;
    const int32_t y = coefficient + dk_upper_product(2 * k, 2 * mirrored);
    const int32_t low = y < -top ? -top : y;
    return low > top ? top : low;
}

int32_t dk_levinson(const int32_t lags[DK_LPC_ORDER + 1], int32_t lpc[DK_LPC_ORDER])
{
    const int32_t enough = (int32_t)((int64_t)lags[0] * ENOUGH >> 16);
    int32_t error = lags[0];
    memset(lpc, 0, DK_LPC_ORDER * sizeof *lpc);
    for (int order = 0; order < DK_LPC_ORDER && error > enough; order++) {
        int64_t past = 0;
        for (int j = 0; j < order; j++) {
            past += (int64_t)lpc[j] * lags[order - j];
        }
        const int32_t k = reflection(lags[order + 1] + dk_rounded(past, DK_LPC_FRAC), error);
        for (int j = 0; j < (order + 1) / 2; j++) {
            const int32_t low = lpc[j], high = lpc[order - 1 - j];
            lpc[j] = changed(low, k, high);
            lpc[order - 1 - j] = changed(high, k, low);
        }
        lpc[order] = (int32_t)dk_rounded(k, REFLECTION_FRAC - DK_LPC_FRAC);
        const int32_t square = (int32_t)((int64_t)k * k >> REFLECTION_FRAC);
        error -= (int32_t)((int64_t)error * square >> REFLECTION_FRAC);
    }
    return error;
}
