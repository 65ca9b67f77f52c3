// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid of eight int16 at once, by tables of chords.
#ifndef DREDKIT_MVE_CHORDS_H
#define DREDKIT_MVE_CHORDS_H

#include <arm_mve.h>

#include "nn/chords.h"

// Return base + x slope of the chords at byte `offset` from the middle one. Negative offsets work
// because an address wraps around.
static inline int32x4_t dk_on_chords(const dk_chord *middle, int32x4_t offset, int32x4_t x)
{
    const uint32x4_t at = vreinterpretq_u32_s32(offset);
    const int32x4_t base = vldrwq_gather_offset_s32(&middle->base, at);
    const int32x4_t slope = vldrwq_gather_offset_s32(&middle->slope, at);
    return vaddq_s32(base, vmulq_s32(x, slope));
}

// Return the upper halves of the even and of the odd lanes' results, interleaved.
static inline int16x8_t dk_upper_halves(int32x4_t even, int32x4_t odd)
{
    return vreinterpretq_s16_s32(vsriq_n_s32(odd, even, 16));
}

static inline int32x4_t dk_tanh_scaled(int32x4_t x)
{
    const int32x4_t step = vshrq_n_s32(x, 8);
    const int32x4_t inside =
        vminq_s32(vmaxq_s32(step, vdupq_n_s32(-DK_TANH_MIDDLE)), vdupq_n_s32(DK_TANH_MIDDLE - 1));
    return dk_on_chords(dk_tanh_chords + DK_TANH_MIDDLE, vshlq_n_s32(inside, 3), x);
}

static inline int16x8_t dk_tanh_eight(int16x8_t x)
{
    const int16x8_t three = vdupq_n_s16(3);
    return dk_upper_halves(dk_tanh_scaled(vmullbq_int_s16(x, three)),
                           dk_tanh_scaled(vmulltq_int_s16(x, three)));
}

static inline int32x4_t dk_sigmoid_scaled(int32x4_t x)
{
    const int32x4_t step = vshrq_n_s32(x, 9);
    return dk_on_chords(dk_sigmoid_chords + DK_SIGMOID_MIDDLE, vshlq_n_s32(step, 3), x);
}

static inline int16x8_t dk_sigmoid_eight(int16x8_t x)
{
    const int16x8_t three = vdupq_n_s16(3);
    return dk_upper_halves(dk_sigmoid_scaled(vmullbq_int_s16(x, three)),
                           dk_sigmoid_scaled(vmulltq_int_s16(x, three)));
}

#endif
