// SPDX-License-Identifier: BSD-3-Clause
// Scalar pieces of the integer signal processing; quantize/dsp/scalar.py defines them.
#ifndef DREDKIT_DSP_SCALAR_H
#define DREDKIT_DSP_SCALAR_H

#include <assert.h>
#include <stdint.h>

#include "dk_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

static_assert((-1 >> 1) == -1, "right shift of a negative number must be arithmetic");

#define DK_LOG_FRAC 24
#define DK_LOG_MASK (((int32_t)1 << DK_LOG_FRAC) - 1)

extern const int32_t dk_log_table[65];
extern const uint32_t dk_exp_table[65];
extern const uint16_t dk_rsqrt_table[49];

// Return the base-2 logarithm, Q24, of 1 .. 2^63 - 1.
int32_t dk_log2(uint64_t x);

// Return 2^x in Q30, 1 to 2 (or just below 1), for a Q24 fraction x in [0, 1).
uint32_t dk_exp2(uint32_t fraction);

// Return 2^46 / sqrt(m), in [2^30, 2^31], for m in [2^30, 2^32).
uint32_t dk_rsqrt(uint32_t mantissa);

// Return the length in bits: 0 for 0, 1 for 1, 32 for 2^31.
static inline int dk_bits32(uint32_t x)
{
    return x == 0 ? 0 : 32 - __builtin_clz(x);
}

static inline int dk_bits64(uint64_t x)
{
    return x == 0 ? 0 : 64 - __builtin_clzll(x);
}

static inline uint32_t dk_magnitude(int32_t x)
{
    return x < 0 ? 0U - (uint32_t)x : (uint32_t)x;
}

static inline uint64_t dk_magnitude64(int64_t x)
{
    return x < 0 ? 0U - (uint64_t)x : (uint64_t)x;
}

// Return x / 2^shift, nearest, half up; shift is 1 .. 62.
static inline int64_t dk_rounded(int64_t x, int shift)
{
    return (x + ((int64_t)1 << (shift - 1))) >> shift;
}

// Return the same; a shift below 1 gives the exact product.
static inline int64_t dk_shifted(int64_t x, int shift)
{
    return shift > 0 ? dk_rounded(x, shift) : (int64_t)((uint64_t)x << -shift);
}

// Return x / 2^shift, rounded down; a negative shift multiplies.
static inline uint64_t dk_scaled(uint64_t x, int shift)
{
    return shift > 0 ? x >> shift : x << -shift;
}

// Return the rounded upper word of a product: a b / 2^32, nearest, half up.
static inline int32_t dk_upper_product(int32_t a, int32_t b)
{
#if defined(DK_ISA_SIMD32)
    int32_t y;
    __asm__("smmulr %0, %1, %2" : "=r"(y) : "r"(a), "r"(b));
    return y;
#else
    return (int32_t)(((int64_t)a * b + (1LL << 31)) >> 32);
#endif
}

// Clip x to a signed integer of `bits` bits, at most 32.
static inline int32_t dk_saturate(int64_t x, int bits)
{
    const int64_t top = ((int64_t)1 << (bits - 1)) - 1;
    if (x > top) {
        return (int32_t)top;
    }
    return (int32_t)(x < -top - 1 ? -top - 1 : x);
}

#ifdef __cplusplus
}
#endif

#endif
