// SPDX-License-Identifier: BSD-3-Clause
// Element-wise products of two pairs of int16, equal to dk_mul_q15 of nn/fixed.h for Q15 factors a.
#ifndef DREDKIT_SIMD32_PRODUCTS_H
#define DREDKIT_SIMD32_PRODUCTS_H

#include <arm_acle.h>
#include <stdint.h>

// Return a sum whose upper 17 bits are the rounded product. The two roundings of p = a b act as
// (p + 2^14 + 1) >> 15 if p >= 0, and as (p + 2^14 - 1) >> 15 if p is negative. With
// q = p + 2^14 - 1 this is (q + 2) >> 15 if q >= 0, else q >> 15; if the signs of p and q differ,
// both results are 0.
static inline int32_t dk_rounded_product(int32_t q)
{
    int32_t two;  // or zero
    __asm__("bic %0, %1, %2, asr #31" : "=r"(two) : "r"(2), "r"(q));
    return q + two;
}

static inline uint32_t dk_multiplied(uint32_t a, uint32_t b)
{
    const int32_t below_half = (1 << 14) - 1;
    const int32_t low = dk_rounded_product(__smlabb((int32_t)a, (int32_t)b, below_half));
    const int32_t high = dk_rounded_product(__smlatt((int32_t)a, (int32_t)b, below_half));
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #1" : "=r"(pair) : "r"(low >> 15), "r"(high));
    return pair;
}

#endif
