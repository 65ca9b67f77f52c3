// SPDX-License-Identifier: BSD-3-Clause
// Sums of products of int16 with NEON, four products an instruction: Cortex-A, 32 or 64 bits.
//
// For one sample of the present, eight neighbouring lags take eight neighbouring samples of the
// past. For the sample eight later, the same eight samples serve the eight lags before. So, with
// the present sorted by remainders modulo 8, a vector of the past is loaded once for WIDTH vectors
// of lags.
#include "dsp/correlate.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

#if defined(__aarch64__)
#define DK_REGISTERS 7
#define MLAL_HIGH_LANE vmlal_high_lane_s16
#else
#define DK_REGISTERS 2
#define MLAL_HIGH_LANE(sum, x, y, lane) vmlal_lane_s16(sum, vget_high_s16(x), y, lane)
#endif

enum {
    STEPS = DK_CORRELATE_SAMPLES / 8,  // samples of one remainder
    GROUP = 4,                         // samples of a remainder that are loaded at once
    GROUPS = STEPS / GROUP,
    WIDTH = DK_REGISTERS,  // vectors of eight lags whose sums stay in registers
};

int32_t dk_energy16(const int16_t *x, size_t count)
{
    int32x4_t low = vdupq_n_s32(0), high = low;
    for (const int16_t *end = x + count; x < end; x += 8) {
        const int16x8_t eight = vld1q_s16(x);
        low = vmlal_s16(low, vget_low_s16(eight), vget_low_s16(eight));
        high = vmlal_s16(high, vget_high_s16(eight), vget_high_s16(eight));
    }
    const int32x4_t four = vaddq_s32(low, high);
    const int32x2_t two = vadd_s32(vget_low_s32(four), vget_high_s32(four));
    return vget_lane_s32(vpadd_s32(two, two), 0);
}

// sorted[g][r][i] = x[32 g + 8 i + r]
static inline void sort(const int16_t *x, int16_t sorted[GROUPS][8][GROUP])
{
    for (int g = 0; g < GROUPS; g++) {
        const int16x8x4_t four = vld4q_s16(x + 8 * GROUP * g);
        for (int r = 0; r < 4; r++) {
            const int16x4x2_t two = vuzp_s16(vget_low_s16(four.val[r]), vget_high_s16(four.val[r]));
            vst1_s16(sorted[g][r], two.val[0]);
            vst1_s16(sorted[g][r + 4], two.val[1]);
        }
    }
}

// Multiply a sample of the present, a lane of `four`, by the vectors of the past; then load the
// next vector.
#define MEET(step, lane) \
    do { \
        _Pragma("GCC unroll 8") for (int j = 0; j < WIDTH; j++) \
        { \
            low[j] = vmlal_lane_s16(low[j], vget_low_s16(seen[j]), four, lane); \
            high[j] = MLAL_HIGH_LANE(high[j], seen[j], four, lane); \
        } \
        _Pragma("GCC unroll 8") for (int j = 0; j < WIDTH - 1; j++) \
        { \
            seen[j] = seen[j + 1]; \
        } \
        seen[WIDTH - 1] = vld1q_s16(past + 8 * ((step) + WIDTH)); \
    } while (0)

static inline void some_lags(int16_t sorted[GROUPS][8][GROUP], const int16_t *past, int32_t *dots)
{
    int32x4_t low[WIDTH], high[WIDTH];
    for (int j = 0; j < WIDTH; j++) {
        low[j] = high[j] = vdupq_n_s32(0);
    }
    for (int r = 0; r < 8; r++, past++) {
        int16x8_t seen[WIDTH];
#pragma GCC unroll 8
        for (int j = 0; j < WIDTH; j++) {
            seen[j] = vld1q_s16(past + 8 * j);
        }
#pragma GCC unroll 5
        for (int g = 0; g < GROUPS; g++) {
            const int16x4_t four = vld1_s16(sorted[g][r]);
            MEET(GROUP * g, 0);
            MEET(GROUP * g + 1, 1);
            MEET(GROUP * g + 2, 2);
            MEET(GROUP * g + 3, 3);
        }
    }
    for (int j = 0; j < WIDTH; j++) {
        vst1q_s32(dots + 8 * j, low[j]);
        vst1q_s32(dots + 8 * j + 4, high[j]);
    }
}

void dk_correlate16(const int16_t now[DK_CORRELATE_SAMPLES], const int16_t *past,
                    int32_t dots[DK_CORRELATE_LAGS])
{
    int16_t sorted[GROUPS][8][GROUP];
    sort(now, sorted);
    for (int i = 0; i < DK_CORRELATE_LAGS; i += 8 * WIDTH) {
        some_lags(sorted, past + i, dots + i);
    }
}

#endif
