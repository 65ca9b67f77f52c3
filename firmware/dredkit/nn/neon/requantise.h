// SPDX-License-Identifier: BSD-3-Clause
// dk_requantise of four accumulators at once, to the bit, without a 64-bit product.
//
// For a shift s of 17 or more, (acc * m + 2^(s-1)) >> s = (((acc * m) >> 16) + 2^(s-17)) >> (s-16):
// the 16 bits dropped first cannot carry. A doubling multiplication by m * 2^15 that keeps the
// upper half does that first shift, a rounding shift does the rest. For a smaller s, acc is first
// shifted left until s is 17; the quantiser has proved that there is room for it.
#ifndef DREDKIT_NEON_REQUANTISE_H
#define DREDKIT_NEON_REQUANTISE_H

#include <arm_neon.h>

enum { DK_FIRST_SHIFT = 16, DK_LEAST_SHIFT = 17 };

typedef struct {
    int32x4_t factor;
    int32x4_t up;
    int32x4_t down;  // negative: a right shift
} dk_requantiser;

static inline dk_requantiser dk_requantiser_of(int32x4_t multiplier, int32x4_t shift)
{
    const int32x4_t eased = vmaxq_s32(shift, vdupq_n_s32(DK_LEAST_SHIFT));
    return (dk_requantiser){vshlq_n_s32(multiplier, DK_FIRST_SHIFT - 1), vsubq_s32(eased, shift),
                            vsubq_s32(vdupq_n_s32(DK_FIRST_SHIFT), eased)};
}

static inline int16x4_t dk_requantise_four(int32x4_t acc, dk_requantiser by)
{
    const int32x4_t high = vqdmulhq_s32(vshlq_s32(acc, by.up), by.factor);
    return vqmovn_s32(vrshlq_s32(high, by.down));
}

#endif
