// SPDX-License-Identifier: BSD-3-Clause
// Two products an instruction: Cortex-M4 and M7, and others with the DSP extension without MVE.
#include "dsp/correlate.h"

#if defined(DK_CORRELATE_SIMD32)

#include <arm_acle.h>
#include <string.h>

static inline int16x2_t pair(const int16_t *x)
{
    int16x2_t two;
    memcpy(&two, x, sizeof two);  // a word load, at odd samples an unaligned one
    return two;
}

int32_t dk_energy16(const int16_t *x, size_t count)
{
    int32_t sum = 0;
    for (const int16_t *end = x + count; x < end; x += 2) {
        const int16x2_t two = pair(x);
        sum = __smlad(two, two, sum);
    }
    return sum;
}

void dk_dots16(const int16_t *now, const int16_t *past, size_t count, int32_t dots[DK_LAGS])
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    // Words of the past at even and odd places: each is loaded once and serves two lags.
    int16x2_t e0 = pair(past), o0 = pair(past + 1);
    for (const int16_t *end = now + count; now < end; now += 8, past += 8) {
        int16x2_t two = pair(now);
        int16x2_t e1 = pair(past + 2), o1 = pair(past + 3);
        s0 = __smlad(two, e0, s0);
        s1 = __smlad(two, o0, s1);
        s2 = __smlad(two, e1, s2);
        s3 = __smlad(two, o1, s3);
        two = pair(now + 2);
        e0 = pair(past + 4);
        o0 = pair(past + 5);
        s0 = __smlad(two, e1, s0);
        s1 = __smlad(two, o1, s1);
        s2 = __smlad(two, e0, s2);
        s3 = __smlad(two, o0, s3);
        two = pair(now + 4);
        e1 = pair(past + 6);
        o1 = pair(past + 7);
        s0 = __smlad(two, e0, s0);
        s1 = __smlad(two, o0, s1);
        s2 = __smlad(two, e1, s2);
        s3 = __smlad(two, o1, s3);
        two = pair(now + 6);
        e0 = pair(past + 8);
        o0 = pair(past + 9);
        s0 = __smlad(two, e1, s0);
        s1 = __smlad(two, o1, s1);
        s2 = __smlad(two, e0, s2);
        s3 = __smlad(two, o0, s3);
    }
    dots[0] = s0;
    dots[1] = s1;
    dots[2] = s2;
    dots[3] = s3;
}

#endif
