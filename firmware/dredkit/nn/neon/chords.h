// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid of eight int16 at once, by tables of chords. NEON cannot gather, but one load
// brings both words of a chord.
#ifndef DREDKIT_NEON_CHORDS_H
#define DREDKIT_NEON_CHORDS_H

#include <arm_neon.h>
#include <stdint.h>

#include "nn/chords.h"

enum { DK_TANH_STEP = 8, DK_SIGMOID_STEP = 9 };

static inline int32x2_t dk_chord_at(const dk_chord *middle, int32_t step)
{
    return vld1_s32(&middle[step].base);
}

// Return base + x slope of the chords that lie `step` chords from the middle one.
static inline int32x4_t dk_on_chords(const dk_chord *middle, int32x4_t step, int32x4_t x)
{
    const int32x2_t c0 = dk_chord_at(middle, vgetq_lane_s32(step, 0));
    const int32x2_t c1 = dk_chord_at(middle, vgetq_lane_s32(step, 1));
    const int32x2_t c2 = dk_chord_at(middle, vgetq_lane_s32(step, 2));
    const int32x2_t c3 = dk_chord_at(middle, vgetq_lane_s32(step, 3));
    const int32x4x2_t chords = vuzpq_s32(vcombine_s32(c0, c1), vcombine_s32(c2, c3));
    const uint32x4_t rise = vreinterpretq_u32_s32(chords.val[1]);
    return vreinterpretq_s32_u32(
        vmlaq_u32(vreinterpretq_u32_s32(chords.val[0]), vreinterpretq_u32_s32(x), rise));
}

// Return the upper halves of all lanes.
static inline int16x8_t dk_upper_halves(int32x4_t low, int32x4_t high)
{
    return vuzpq_s16(vreinterpretq_s16_s32(low), vreinterpretq_s16_s32(high)).val[1];
}

static inline int32x4_t dk_tanh_scaled(int32x4_t x)
{
    const int32x4_t step = vshrq_n_s32(x, DK_TANH_STEP);
    const int32x4_t inside =
        vminq_s32(vmaxq_s32(step, vdupq_n_s32(-DK_TANH_MIDDLE)), vdupq_n_s32(DK_TANH_MIDDLE - 1));
    return dk_on_chords(dk_tanh_chords + DK_TANH_MIDDLE, inside, x);
}

static inline int16x8_t dk_tanh_eight(int16x8_t x)
{
    return dk_upper_halves(dk_tanh_scaled(vmull_n_s16(vget_low_s16(x), 3)),
                           dk_tanh_scaled(vmull_n_s16(vget_high_s16(x), 3)));
}

static inline int32x4_t dk_sigmoid_scaled(int32x4_t x)
{
    const int32x4_t step = vshrq_n_s32(x, DK_SIGMOID_STEP);
    return dk_on_chords(dk_sigmoid_chords + DK_SIGMOID_MIDDLE, step, x);
}

static inline int16x8_t dk_sigmoid_eight(int16x8_t x)
{
    return dk_upper_halves(dk_sigmoid_scaled(vmull_n_s16(vget_low_s16(x), 3)),
                           dk_sigmoid_scaled(vmull_n_s16(vget_high_s16(x), 3)));
}

static inline int16_t dk_on_chord(dk_chord chord, int32_t x)
{
    const uint32_t sum = (uint32_t)chord.base + (uint32_t)x * (uint32_t)chord.slope;
    return (int16_t)((int32_t)sum >> 16);
}

static inline int16_t dk_tanh_one(int16_t value)
{
    const int32_t x = 3 * value, step = x >> DK_TANH_STEP;
    const int32_t high = step < DK_TANH_MIDDLE ? step : DK_TANH_MIDDLE - 1;
    const int32_t inside = high < -DK_TANH_MIDDLE ? -DK_TANH_MIDDLE : high;
    return dk_on_chord(dk_tanh_chords[DK_TANH_MIDDLE + inside], x);
}

static inline int16_t dk_sigmoid_one(int16_t value)
{
    const int32_t x = 3 * value;
    return dk_on_chord(dk_sigmoid_chords[DK_SIGMOID_MIDDLE + (x >> DK_SIGMOID_STEP)], x);
}

#endif
