// SPDX-License-Identifier: BSD-3-Clause
// Element-wise products of eight int16, equal to dk_mul_q15 of nn/fixed.h.
#ifndef DREDKIT_MVE_PRODUCTS_H
#define DREDKIT_MVE_PRODUCTS_H

#include <arm_mve.h>

enum { DK_BELOW_HALF = (1 << 14) - 1, DK_FRACTION = (1 << 15) - 1 };

// Return the element-wise products a b of Q15 factors a >= 0. A doubling and rounding
// multiplication is (a b + 2^14) >> 15. The wanted two roundings give one more, away from zero, if
// a b >= 0 and the fraction of a b is 2^14 - 1, or if a b < 0 and the fraction of a b is 2^14.
static inline int16x8_t dk_multiplied(int16x8_t a, int16x8_t b)
{
    const int16x8_t product = vqrdmulhq_s16(a, b);
    const int16x8_t fraction = vandq_s16(vmulq_s16(a, b), vdupq_n_s16(DK_FRACTION));
    const int16x8_t sign = vshrq_n_s16(b, 15);  // 0 or -1
    // gcc 12 fails with vcmpeqq_n here.
    const mve_pred16_t differ = vcmpeqq_s16(vaddq_s16(fraction, sign), vdupq_n_s16(DK_BELOW_HALF));
    return vaddq_m_s16(product, product, vorrq_n_s16(sign, 1), differ);
}

#endif
