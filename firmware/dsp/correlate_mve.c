// SPDX-License-Identifier: BSD-3-Clause
// Eight products an instruction: Cortex-M55 and M85.
#include "dsp/correlate.h"

#if defined(DK_DSP_MVE)

#include <arm_mve.h>

int32_t dk_energy16(const int16_t *x, size_t count)
{
    int32_t sum = 0;
    for (const int16_t *end = x + count; x < end; x += 8) {
        const int16x8_t eight = vldrhq_s16(x);
        sum = vmladavaq_s16(sum, eight, eight);
    }
    return sum;
}

// Four lags share each load of the present. In assembly, as gcc 12 adds to each pointer apart.
static inline void four_lags(const int16_t *now, const int16_t *past, size_t count, int32_t *dots)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int16x8_t x, y;
    // clang-format off
    __asm volatile(
        "1:\n\t"
        "vldrh.u16 %q[x], [%[now]], #16\n\t"
        "vldrh.u16 %q[y], [%[past], #2]\n\t"
        "vmladava.s16 %[s1], %q[x], %q[y]\n\t"
        "vldrh.u16 %q[y], [%[past], #4]\n\t"
        "vmladava.s16 %[s2], %q[x], %q[y]\n\t"
        "vldrh.u16 %q[y], [%[past], #6]\n\t"
        "vmladava.s16 %[s3], %q[x], %q[y]\n\t"
        "vldrh.u16 %q[y], [%[past]], #16\n\t"
        "vmladava.s16 %[s0], %q[x], %q[y]\n\t"
        "subs %[n], #8\n\t"
        "bne 1b\n\t"
        : [s0] "+Te"(s0), [s1] "+Te"(s1), [s2] "+Te"(s2), [s3] "+Te"(s3), [now] "+r"(now),
          [past] "+r"(past), [n] "+r"(count), [x] "=&w"(x), [y] "=&w"(y)
        :
        : "cc", "memory");
    // clang-format on
    dots[0] = s0;
    dots[1] = s1;
    dots[2] = s2;
    dots[3] = s3;
}

void dk_correlate16(const int16_t *now, const int16_t *past, size_t count, size_t lags,
                    int32_t *dots)
{
    for (size_t i = 0; i < lags; i += 4) {
        four_lags(now, past + i, count, dots + i);
    }
}

#endif
