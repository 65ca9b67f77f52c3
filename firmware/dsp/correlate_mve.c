// SPDX-License-Identifier: BSD-3-Clause
// Eight products an instruction: Cortex-M55 and M85.
#include "dsp/correlate.h"

#if defined(DK_DSP_MVE)

#include <arm_mve.h>

int32_t dk_energy16(const int16_t *x, size_t count)
{
    int32_t sum = 0;
    for (const int16_t *end = x + count; x < end; x += 8) {
        const int16x8_t eight = vldrhq_s16(x);
        sum = vmladavaq_s16(sum, eight, eight);
    }
    return sum;
}

// Four lags share each load of the present.
static inline void four_lags(const int16_t *now, const int16_t *past, size_t count, int32_t *dots)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (const int16_t *end = now + count; now < end; now += 8, past += 8) {
        const int16x8_t eight = vldrhq_s16(now);
        s0 = vmladavaq_s16(s0, eight, vldrhq_s16(past));
        s1 = vmladavaq_s16(s1, eight, vldrhq_s16(past + 1));
        s2 = vmladavaq_s16(s2, eight, vldrhq_s16(past + 2));
        s3 = vmladavaq_s16(s3, eight, vldrhq_s16(past + 3));
    }
    dots[0] = s0;
    dots[1] = s1;
    dots[2] = s2;
    dots[3] = s3;
}

void dk_correlate16(const int16_t *now, const int16_t *past, size_t count, size_t lags,
                    int32_t *dots)
{
    for (size_t i = 0; i < lags; i += 4) {
        four_lags(now, past + i, count, dots + i);
    }
}

#endif
