// SPDX-License-Identifier: BSD-3-Clause
// Pre-emphasis and window with integer Helium, four samples an instruction: Cortex-M55 and M85.
#include "dsp/window.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

void dk_emphasise(const int16_t *x, size_t count, int32_t *y)
{
    for (const int32_t *end = y + count; y < end; y += 4, x += 4) {
        const int32x4_t now = vshlq_n_s32(vldrhq_s32(x + 1), DK_EMPHASIS_FRAC);
        vstrwq_s32(y, vmlaq_n_s32(now, vldrhq_s32(x), -DK_PREEMPHASIS));
    }
}

static inline void four(int32_t *x, int32x4_t window, int up)
{
    vstrwq_s32(x, vrmulhq_s32(vshlq_r_s32(vldrwq_s32(x), up), window));
}

void dk_window(int32_t *x, size_t count, const int32_t *rising, int up)
{
    const uint32x4_t backwards = vddupq_n_u32(3, 1);
    int32_t *last = x + count;
    while (x < last) {
        four(x, vldrwq_s32(rising), up);
        x += 4;
        last -= 4;
        four(last, vldrwq_gather_shifted_offset_s32(rising, backwards), up);
        rising += 4;
    }
}

#endif
