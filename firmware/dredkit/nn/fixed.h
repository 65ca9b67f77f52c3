// SPDX-License-Identifier: BSD-3-Clause
// Scalar pieces of the arithmetic (quantize/integer.py), shared by all kernels.
// Right shifts of negative numbers are arithmetic on every compiler that dredkit builds with; a
// static assertion checks it.
#ifndef DREDKIT_FIXED_H
#define DREDKIT_FIXED_H

#include <assert.h>
#include <stdint.h>

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

static_assert((-1 >> 1) == -1, "right shift of a negative number must be arithmetic");

static inline int16_t dk_saturate16(int32_t x)
{
#if defined(__ARM_FEATURE_SAT)
    return (int16_t)__builtin_arm_ssat(x, 16);
#else
    if (x > INT16_MAX) {
        return INT16_MAX;
    }
    return (int16_t)(x < INT16_MIN ? INT16_MIN : x);
#endif
}

// Return (acc * multiplier + half) >> shift, saturated to int16; shift is 1 .. 46. The quantiser
// has proved from the weights that the shifted product is an int32.
static inline int16_t dk_requantise(int32_t acc, int16_t multiplier, uint8_t shift)
{
    const int64_t product = (int64_t)acc * multiplier;
#if defined(__ARM_FEATURE_MVE)
    return dk_saturate16((int32_t)sqrshrl(product, shift));
#else
    const int64_t half = (int64_t)1 << (shift - 1);
    return dk_saturate16((int32_t)((product + half) >> shift));
#endif
}

// Multiply a Q15 factor by any int16 with the two roundings of TFLite's int16 MUL: halve, rounding
// half up; then divide by 2^14, rounding half away from zero.
static inline int16_t dk_mul_q15(int16_t a, int16_t b)
{
    const int32_t halved = ((int32_t)a * b + 1) >> 1;
    const int32_t mask = (1 << 14) - 1;
    const int32_t threshold = (mask >> 1) + (halved < 0 ? 1 : 0);
    const int32_t rounded = (halved >> 14) + ((halved & mask) > threshold ? 1 : 0);
    return dk_saturate16(rounded);
}

static inline int16_t dk_add16(int16_t a, int16_t b)
{
    return dk_saturate16((int32_t)a + b);
}

#ifdef __cplusplus
}
#endif

#endif
