// SPDX-License-Identifier: BSD-3-Clause
// Sums of a few products of int32 with a count that the compiler knows: rows of a constant matrix.
#ifndef DREDKIT_DSP_DOT_H
#define DREDKIT_DSP_DOT_H

#include <stddef.h>
#include <stdint.h>

#include "dk_isa.h"

#if defined(DK_ISA_MVE)
#include <arm_mve.h>
#elif defined(DK_ISA_NEON)
#include <arm_neon.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Return the sum of a[n] b[n], within 64 bits; `count` is a constant.
static inline int64_t dk_dot(const int32_t *a, const int32_t *b, size_t count)
{
    int64_t sum = 0;
    size_t n = 0;
#if defined(DK_ISA_MVE)
#pragma GCC unroll 8
    for (; n + 4 <= count; n += 4) {
        sum = vmlaldavaq_s32(sum, vldrwq_s32(a + n), vldrwq_s32(b + n));
    }
#elif defined(DK_ISA_NEON)
    int64x2_t two = vdupq_n_s64(0);
#pragma GCC unroll 8
    for (; n + 4 <= count; n += 4) {
        const int32x4_t x = vld1q_s32(a + n), y = vld1q_s32(b + n);
        two = vmlal_s32(two, vget_low_s32(x), vget_low_s32(y));
        two = vmlal_s32(two, vget_high_s32(x), vget_high_s32(y));
    }
    sum = vgetq_lane_s64(two, 0) + vgetq_lane_s64(two, 1);
#endif
#pragma GCC unroll 20
    for (; n < count; n++) {
        sum += (int64_t)a[n] * b[n];
    }
    return sum;
}

#ifdef __cplusplus
}
#endif

#endif
