// SPDX-License-Identifier: BSD-3-Clause
// Element-wise products of eight int16, equal to dk_mul_q15 of nn/fixed.h.
#ifndef DREDKIT_NEON_PRODUCTS_H
#define DREDKIT_NEON_PRODUCTS_H

#include <arm_neon.h>

enum { DK_BELOW_HALF = (1 << 14) - 1, DK_FRACTION = (1 << 15) - 1 };

// Return the element-wise products a b of Q15 factors a >= 0. A doubling and rounding
// multiplication is (a b + 2^14) >> 15. The wanted two roundings give one more, away from zero, if
// a b >= 0 and the fraction of a b is 2^14 - 1, or if a b < 0 and the fraction of a b is 2^14.
static inline int16x8_t dk_multiplied(int16x8_t a, int16x8_t b)
{
    const int16x8_t product = vqrdmulhq_s16(a, b);
    const uint16x8_t lower = vmulq_u16(vreinterpretq_u16_s16(a), vreinterpretq_u16_s16(b));
    const int16x8_t fraction = vreinterpretq_s16_u16(vandq_u16(lower, vdupq_n_u16(DK_FRACTION)));
    const int16x8_t sign = vshrq_n_s16(b, 15);  // 0 or -1
    const uint16x8_t differ = vceqq_s16(vaddq_s16(fraction, sign), vdupq_n_s16(DK_BELOW_HALF));
    const int16x8_t away = vorrq_s16(sign, vdupq_n_s16(1));
    return vaddq_s16(product, vandq_s16(vreinterpretq_s16_u16(differ), away));
}

#endif
