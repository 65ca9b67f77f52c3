// SPDX-License-Identifier: BSD-3-Clause
// Filters with NEON, two products an instruction and eight outputs at once: Cortex-A.
#include "dsp/filter.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

#if defined(__aarch64__)
#define HIGH_PRODUCT vmlal_high_lane_s32
#else
#define HIGH_PRODUCT(sum, x, tap, lane) vmlal_lane_s32(sum, vget_high_s32(x), tap, lane)
#endif

enum { FOURS = 6 };  // vectors of samples that eight outputs take

// The sums of eight outputs, two in each vector.
typedef struct {
    int64x2_t sum[4];
} output_sums;

static inline int32x4_t filtered(int64x2_t low, int64x2_t high)
{
    const int64x2_t half = vdupq_n_s64(DK_FILTER_HALF);
    const int32x2_t a = vqmovn_s64(vshrq_n_s64(vaddq_s64(low, half), DK_FILTER_SHIFT));
    const int32x2_t b = vqmovn_s64(vshrq_n_s64(vaddq_s64(high, half), DK_FILTER_SHIFT));
    const int32x4_t top = vdupq_n_s32((1 << (DK_FILTER_BITS - 1)) - 1);
    return vmaxq_s32(vminq_s32(vcombine_s32(a, b), top), vmvnq_s32(top));
}

// Add two taps: x begins at the first tap's samples, x1 a sample later.
static inline output_sums two_taps(output_sums s, const int32x4_t *x, const int32x4_t *x1,
                                   int32x2_t taps)
{
    s.sum[0] = vmlal_lane_s32(s.sum[0], vget_low_s32(x[0]), taps, 0);
    s.sum[1] = HIGH_PRODUCT(s.sum[1], x[0], taps, 0);
    s.sum[2] = vmlal_lane_s32(s.sum[2], vget_low_s32(x[1]), taps, 0);
    s.sum[3] = HIGH_PRODUCT(s.sum[3], x[1], taps, 0);
    s.sum[0] = vmlal_lane_s32(s.sum[0], vget_low_s32(x1[0]), taps, 1);
    s.sum[1] = HIGH_PRODUCT(s.sum[1], x1[0], taps, 1);
    s.sum[2] = vmlal_lane_s32(s.sum[2], vget_low_s32(x1[1]), taps, 1);
    s.sum[3] = HIGH_PRODUCT(s.sum[3], x1[1], taps, 1);
    return s;
}

// Add four taps. The samples of the last two begin in the middle of a vector.
static inline output_sums four_taps(output_sums s, const int32x4_t *x, const int32x4_t *x1,
                                    const int32_t *taps)
{
    s = two_taps(s, x, x1, vld1_s32(taps));
    const int32x2_t later = vld1_s32(taps + 2);
    s.sum[0] = HIGH_PRODUCT(s.sum[0], x[0], later, 0);
    s.sum[1] = vmlal_lane_s32(s.sum[1], vget_low_s32(x[1]), later, 0);
    s.sum[2] = HIGH_PRODUCT(s.sum[2], x[1], later, 0);
    s.sum[3] = vmlal_lane_s32(s.sum[3], vget_low_s32(x[2]), later, 0);
    s.sum[0] = HIGH_PRODUCT(s.sum[0], x1[0], later, 1);
    s.sum[1] = vmlal_lane_s32(s.sum[1], vget_low_s32(x1[1]), later, 1);
    s.sum[2] = HIGH_PRODUCT(s.sum[2], x1[1], later, 1);
    s.sum[3] = vmlal_lane_s32(s.sum[3], vget_low_s32(x1[2]), later, 1);
    return s;
}

void dk_filter(const int32_t taps[DK_FILTER_ROOM], const int16_t *x, size_t count, int32_t *y)
{
    for (const int32_t *end = y + count; y < end; y += 8, x += 8) {
        int32x4_t even[FOURS], odd[FOURS];
#pragma GCC unroll 6
        for (int i = 0; i < FOURS; i++) {
            even[i] = vmovl_s16(vld1_s16(x + 4 * i));
            odd[i] = vmovl_s16(vld1_s16(x + 4 * i + 1));
        }
        output_sums s = {{vdupq_n_s64(0), vdupq_n_s64(0), vdupq_n_s64(0), vdupq_n_s64(0)}};
        s = four_taps(s, even, odd, taps);
        s = four_taps(s, even + 1, odd + 1, taps + 4);
        s = four_taps(s, even + 2, odd + 2, taps + 8);
        s = four_taps(s, even + 3, odd + 3, taps + 12);
        s = two_taps(s, even + 4, odd + 4, vld1_s32(taps + 16));
        vst1q_s32(y, filtered(s.sum[0], s.sum[1]));
        vst1q_s32(y + 4, filtered(s.sum[2], s.sum[3]));
    }
}

void dk_echo(const int32_t *x, size_t count, int32_t factor, int32_t *y)
{
    for (const int32_t *end = y + count; y < end; y += 4, x += 4) {
        vst1q_s32(y, vaddq_s32(vld1q_s32(x + 1), vqrdmulhq_n_s32(vld1q_s32(x), factor)));
    }
}

#endif
