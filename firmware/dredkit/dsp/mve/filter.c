// SPDX-License-Identifier: BSD-3-Clause
// Filters with integer Helium, four taps an instruction: Cortex-M55 and M85.
#include "dsp/filter.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

void dk_filter(const int32_t taps[DK_FILTER_ROOM], const int16_t *x, size_t count, int32_t *y)
{
    const int32x4_t t0 = vldrwq_s32(taps), t1 = vldrwq_s32(taps + 4), t2 = vldrwq_s32(taps + 8);
    const int32x4_t t3 = vldrwq_s32(taps + 12), t4 = vldrwq_s32(taps + 16);
    for (const int32_t *end = y + count; y < end; y++, x++) {
        int64_t sum = vmlaldavq_s32(t0, vldrhq_s32(x));
        sum = vmlaldavaq_s32(sum, t1, vldrhq_s32(x + 4));
        sum = vmlaldavaq_s32(sum, t2, vldrhq_s32(x + 8));
        sum = vmlaldavaq_s32(sum, t3, vldrhq_s32(x + 12));
        sum = vmlaldavaq_s32(sum, t4, vldrhq_s32(x + 16));
        *y = dk_filtered(sum + DK_FILTER_HALF);
    }
}

void dk_echo(const int32_t *x, size_t count, int32_t factor, int32_t *y)
{
    for (const int32_t *end = y + count; y < end; y += 4, x += 4) {
        vstrwq_s32(y, vaddq_s32(vldrwq_s32(x + 1), vqrdmulhq_n_s32(vldrwq_s32(x), factor)));
    }
}

#endif
