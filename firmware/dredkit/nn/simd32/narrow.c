// SPDX-License-Identifier: BSD-3-Clause
// Conversion of Q15 activations to the int8 inputs of matrix products with SIMD32, four at once.
#include "dk_isa.h"

#if defined(DK_ISA_SIMD32)

#include <arm_acle.h>
#include <string.h>

#include "nn/nn.h"
#include "nn/simd32/pairs.h"

enum { X8_ONE = 127, HALF = 1 << 14 };

// Return two results in bytes 0 and 2 of a word. `low` and `high` are products of which the lower
// 15 bits are dropped here.
static inline uint32_t bytes(int32_t low, int32_t high)
{
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #1" : "=r"(pair) : "r"(low >> 15), "r"(high));
    return pair & 0x00FF00FFU;
}

void dk_narrow(const int16_t *q15, size_t count, int8_t *x8)
{
#pragma GCC unroll 2
    for (const int16_t *end = q15 + count / 4 * 4; q15 < end; q15 += 4, x8 += 4) {
        const int32_t first = (int32_t)dk_pair(q15), second = (int32_t)dk_pair(q15 + 2);
        const uint32_t even = bytes(__smlabb(first, X8_ONE, HALF), __smlabb(second, X8_ONE, HALF));
        const uint32_t odd = bytes(__smlatb(first, X8_ONE, HALF), __smlatb(second, X8_ONE, HALF));
        const uint32_t four = even | odd << 8;
        memcpy(x8, &four, sizeof four);
    }
    for (size_t i = 0; i < count % 4; i++) {
        x8[i] = (int8_t)((q15[i] * X8_ONE + HALF) >> 15);
    }
}

#endif
