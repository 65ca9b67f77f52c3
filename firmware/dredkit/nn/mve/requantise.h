// SPDX-License-Identifier: BSD-3-Clause
// dk_requantise of four accumulators at once, to the bit, without a 64-bit product.
//
// For a shift s of 17 or more, (acc * m + 2^(s-1)) >> s = (((acc * m) >> 16) + 2^(s-17)) >> (s-16):
// the 16 bits dropped first cannot carry. The high half of acc * (m * 2^16) does that first shift,
// a rounding shift does the rest. For a smaller s, acc is first shifted left until s is 17; the
// quantiser has proved that there is room for it.
#ifndef DREDKIT_MVE_REQUANTISE_H
#define DREDKIT_MVE_REQUANTISE_H

#include <arm_mve.h>

enum { DK_FIRST_SHIFT = 16, DK_LEAST_SHIFT = 17 };

// Saturate to int16; the results are in the lower halves of the lanes.
static inline int32x4_t dk_saturated(int32x4_t x)
{
    return vreinterpretq_s32_s16(vqmovnbq_s32(vreinterpretq_s16_s32(x), x));
}

static inline int32x4_t dk_requantise_lanes(int32x4_t acc, int32x4_t multiplier, int32x4_t shift)
{
    const int32x4_t least = vdupq_n_s32(DK_LEAST_SHIFT);
    const int32x4_t lifted = vshlq_s32(acc, vsubq_s32(vmaxq_s32(shift, least), shift));
    const int32x4_t high = vmulhq_s32(lifted, vshlq_n_s32(multiplier, DK_FIRST_SHIFT));
    const int32x4_t rest = vsubq_s32(vdupq_n_s32(DK_FIRST_SHIFT), vmaxq_s32(shift, least));
    return dk_saturated(vrshlq_s32(high, rest));
}

// Compute y[0 .. 3] from the accumulators of four rows.
static inline void dk_requantise_rows(int32x4_t acc, const int16_t *multiplier,
                                      const uint8_t *shift, int16_t *y)
{
    const int32x4_t by = vreinterpretq_s32_u32(vldrbq_u32(shift));
    vstrhq_s32(y, dk_requantise_lanes(acc, vldrhq_s32(multiplier), by));
}

// The same for the accumulators of one row, with constants prepared once.
typedef struct {
    int32x4_t factor;
    int32_t up;
    int32_t down;  // negative: a right shift
} dk_row_requantiser;

static inline dk_row_requantiser dk_row_requantiser_of(int16_t multiplier, uint8_t shift)
{
    const int32_t eased = shift > DK_LEAST_SHIFT ? shift : DK_LEAST_SHIFT;
    return (dk_row_requantiser){vdupq_n_s32(multiplier * (1 << DK_FIRST_SHIFT)), eased - shift,
                                DK_FIRST_SHIFT - eased};
}

static inline int32x4_t dk_requantise_row(int32x4_t acc, dk_row_requantiser by)
{
    const int32x4_t high = vmulhq_s32(vshlq_r_s32(acc, by.up), by.factor);
    return dk_saturated(vrshlq_n_s32(high, by.down));
}

#endif
