// SPDX-License-Identifier: BSD-3-Clause
// Peak, energy, products and scaling of spans with NEON, four samples an instruction: Cortex-A.
#include "dsp/spans.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

static inline uint32x4_t magnitudes(const int32_t *x)
{
    return vreinterpretq_u32_s32(vabsq_s32(vld1q_s32(x)));
}

uint32_t dk_peak32(const int32_t *x, size_t count)
{
    uint32x4_t any = vdupq_n_u32(0);
    for (const int32_t *end = x + count; x < end; x += 8) {
        any = vorrq_u32(any, vorrq_u32(magnitudes(x), magnitudes(x + 4)));
    }
    const uint32x2_t two = vorr_u32(vget_low_u32(any), vget_high_u32(any));
    return vget_lane_u32(two, 0) | vget_lane_u32(two, 1);
}

uint64_t dk_energy32(const int32_t *x, size_t count, int down)
{
    const int32x4_t shift = vdupq_n_s32(-down);
    int64x2_t low = vdupq_n_s64(0), high = low;
    for (const int32_t *end = x + count; x < end; x += 4) {
        const int32x4_t four = vshlq_s32(vld1q_s32(x), shift);
        low = vmlal_s32(low, vget_low_s32(four), vget_low_s32(four));
        high = vmlal_s32(high, vget_high_s32(four), vget_high_s32(four));
    }
    const int64x2_t two = vaddq_s64(low, high);
    return (uint64_t)(vgetq_lane_s64(two, 0) + vgetq_lane_s64(two, 1));
}

int64_t dk_dot32(const int32_t *a, const int32_t *b, size_t count, int down)
{
    const int32x4_t shift = vdupq_n_s32(-down);
    int64x2_t low = vdupq_n_s64(0), high = low;
    for (size_t fours = count / 4; fours > 0; fours--, a += 4, b += 4) {
        const int32x4_t x = vshlq_s32(vld1q_s32(a), shift), y = vshlq_s32(vld1q_s32(b), shift);
        low = vmlal_s32(low, vget_low_s32(x), vget_low_s32(y));
        high = vmlal_s32(high, vget_high_s32(x), vget_high_s32(y));
    }
    const int64x2_t two = vaddq_s64(low, high);
    int64_t sum = vgetq_lane_s64(two, 0) + vgetq_lane_s64(two, 1);
#pragma GCC unroll 1
    for (size_t rest = count % 4; rest > 0; rest--) {
        sum += (int64_t)(*a++ >> down) * (*b++ >> down);
    }
    return sum;
}

void dk_scale16(const int32_t *x, size_t count, int shift, int16_t *y)
{
    const int32x4_t up = vdupq_n_s32(-shift);
    for (const int32_t *end = x + count; x < end; x += 8, y += 8) {
        const int32x4_t low = vrshlq_s32(vld1q_s32(x), up);
        const int32x4_t high = vrshlq_s32(vld1q_s32(x + 4), up);
        vst1q_s16(y, vcombine_s16(vmovn_s32(low), vmovn_s32(high)));
    }
}

#endif
