// SPDX-License-Identifier: BSD-3-Clause
// Pre-emphasis and window with NEON, four samples an instruction: Cortex-A.
#include "dsp/window.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

static inline int32x4_t emphasised(int16x4_t now, int16x4_t past)
{
    return vmlsl_n_s16(vshll_n_s16(now, DK_EMPHASIS_FRAC), past, DK_PREEMPHASIS);
}

void dk_emphasise(const int16_t *x, size_t count, int32_t *y)
{
    for (const int32_t *end = y + count; y < end; y += 8, x += 8) {
        const int16x8_t past = vld1q_s16(x), now = vld1q_s16(x + 1);
        vst1q_s32(y, emphasised(vget_low_s16(now), vget_low_s16(past)));
        vst1q_s32(y + 4, emphasised(vget_high_s16(now), vget_high_s16(past)));
    }
}

// Return the rounded upper words of products.
static inline int32x4_t windowed(int32x4_t x, int32x4_t window)
{
    const int64x2_t low = vmull_s32(vget_low_s32(x), vget_low_s32(window));
    const int64x2_t high = vmull_s32(vget_high_s32(x), vget_high_s32(window));
    return vcombine_s32(vrshrn_n_s64(low, 32), vrshrn_n_s64(high, 32));
}

void dk_window(int32_t *x, size_t count, const int32_t *rising, int up)
{
    const int32x4_t raise = vdupq_n_s32(up);
    for (int32_t *last = x + count - 4; x < last; x += 4, last -= 4, rising += 4) {
        const int32x4_t window = vld1q_s32(rising), pairs = vrev64q_s32(window);
        vst1q_s32(x, windowed(vshlq_s32(vld1q_s32(x), raise), window));
        vst1q_s32(last, windowed(vshlq_s32(vld1q_s32(last), raise), vextq_s32(pairs, pairs, 2)));
    }
}

#endif
