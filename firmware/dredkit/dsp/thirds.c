// SPDX-License-Identifier: BSD-3-Clause
// One symmetric low-pass both ways, in three phases: the sample itself, and a third before or
// after.
#include "dsp/thirds.h"

#include "dsp/scalar.h"

enum { TAPS = 2 * DK_THIRDS_REACH, TAP_FRAC = 14, THIRD = 10923, THIRD_FRAC = 15 };

// Weights of samples u - 11 .. u + 12 in the sample at u + 1/3, Q14. Their magnitudes add up to
// 2.22, so a sum of products fits int32. Backwards, they give the sample at u + 2/3.
static const int16_t taps[TAPS] = {-36,   68,   -115,  181,   -271, 393,   -559, 796,
                                   -1158, 1793, -3304, 13549, 6733, -2607, 1532, -1017,
                                   707,   -498, 348,   -238,  157,  -98,   56,   -28};

void dk_thirds_up(const int16_t *in, int32_t count, int16_t *out)
{
    for (int32_t u = 0; u < count; u++) {
        const int16_t *near = in + u + 1;
        int32_t first = 0, second = 0;
        for (int32_t i = 0; i < TAPS; i++) {
            first += near[i] * taps[i];
            second += near[i] * taps[TAPS - 1 - i];
        }
        out[DK_THIRDS * u] = in[u + DK_THIRDS_REACH];
        out[DK_THIRDS * u + 1] = (int16_t)dk_saturate(dk_rounded(first, TAP_FRAC), 16);
        out[DK_THIRDS * u + 2] = (int16_t)dk_saturate(dk_rounded(second, TAP_FRAC), 16);
    }
}

// Return sample `at`, counted from the end; the signal goes on as its reflection in its last
// sample.
static int32_t sample(const int16_t *end, int32_t at)
{
    return at < 0 ? end[at] : dk_saturate(2 * end[-1] - end[-2 - at], 16);
}

void dk_thirds_down_end(const int16_t *end, int32_t last, int32_t count, int16_t *out)
{
    for (int32_t u = 0; u < count; u++) {
        const int32_t middle = DK_THIRDS * (u - last);
        int64_t sum = (int64_t)end[middle] * (1 << TAP_FRAC);
        for (int32_t i = 0; i < TAPS; i++) {
            const int32_t distance = DK_THIRDS * (i + 1 - DK_THIRDS_REACH) - 1;
            const int32_t pair = sample(end, middle + distance) + sample(end, middle - distance);
            sum += (int64_t)pair * taps[i];
        }
        const int64_t rounded = dk_rounded(sum * THIRD, TAP_FRAC + THIRD_FRAC);
        out[u] = (int16_t)dk_saturate(rounded, 16);
    }
}
