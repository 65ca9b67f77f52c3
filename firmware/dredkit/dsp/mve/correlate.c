// SPDX-License-Identifier: BSD-3-Clause
// Sums of products of int16 with integer Helium, eight products an instruction: Cortex-M55 and M85.
#include "dsp/correlate.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>
#include <assert.h>

int32_t dk_energy16(const int16_t *x, size_t count)
{
    int32_t sum = 0;
    for (const int16_t *end = x + count; x < end; x += 8) {
        const int16x8_t eight = vldrhq_s16(x);
        sum = vmladavaq_s16(sum, eight, eight);
    }
    return sum;
}

enum { LAGS = 7, APART = 8 };

// Multiply eight samples of the present by the samples of the past that lie 0, 8 .. 48 later, which
// are in a .. g. The samples that lie 56 later then replace a.
#define MEET(a, b, c, d, e, f, g) \
    "vldrh.u16 %q[x], [%[now]], #16\n" \
    "vmladava.s16 %[s0], %q[x], %q[" #a "]\n" \
    "vldrh.u16 %q[" #a "], [%[past]], #16\n" \
    "vmladava.s16 %[s1], %q[x], %q[" #b "]\n" \
    "vmladava.s16 %[s2], %q[x], %q[" #c "]\n" \
    "vmladava.s16 %[s3], %q[x], %q[" #d "]\n" \
    "vmladava.s16 %[s4], %q[x], %q[" #e "]\n" \
    "vmladava.s16 %[s5], %q[x], %q[" #f "]\n" \
    "vmladava.s16 %[s6], %q[x], %q[" #g "]\n"
#define MEET_SEVEN \
    MEET(a, b, c, d, e, f, g) \
    MEET(b, c, d, e, f, g, a) \
    MEET(c, d, e, f, g, a, b) \
    MEET(d, e, f, g, a, b, c) \
    MEET(e, f, g, a, b, c, d) \
    MEET(f, g, a, b, c, d, e) \
    MEET(g, a, b, c, d, e, f)

// Compute seven lags, eight apart, so that each vector of the past is loaded once for all of them.
static inline void seven_lags(const int16_t *now, const int16_t *past, int32_t *dots)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0;
    int16x8_t a, b, c, d, e, f, g, x;
    // clang-format off
    __asm__(
        "vldrh.u16 %q[a], [%[past]], #16\n\t"
        "vldrh.u16 %q[b], [%[past]], #16\n\t"
        "vldrh.u16 %q[c], [%[past]], #16\n\t"
        "vldrh.u16 %q[d], [%[past]], #16\n\t"
        "vldrh.u16 %q[e], [%[past]], #16\n\t"
        "vldrh.u16 %q[f], [%[past]], #16\n\t"
        "vldrh.u16 %q[g], [%[past]], #16\n\t"
        ".rept 2\n\t"  // ISO C limits a string to 4095 characters
        MEET_SEVEN
        ".endr\n\t"
        MEET(a, b, c, d, e, f, g)
        MEET(b, c, d, e, f, g, a)
        MEET(c, d, e, f, g, a, b)
        MEET(d, e, f, g, a, b, c)
        MEET(e, f, g, a, b, c, d)
        MEET(f, g, a, b, c, d, e)
        : [s0] "+&Te"(s0), [s1] "+&Te"(s1), [s2] "+&Te"(s2), [s3] "+&Te"(s3), [s4] "+&Te"(s4),
          [s5] "+&Te"(s5), [s6] "+&Te"(s6), [now] "+&r"(now), [past] "+&r"(past), [a] "=&w"(a),
          [b] "=&w"(b), [c] "=&w"(c), [d] "=&w"(d), [e] "=&w"(e), [f] "=&w"(f), [g] "=&w"(g),
          [x] "=&w"(x)
        :
        : "memory");
    // clang-format on
    dots[0 * APART] = s0;
    dots[1 * APART] = s1;
    dots[2 * APART] = s2;
    dots[3 * APART] = s3;
    dots[4 * APART] = s4;
    dots[5 * APART] = s5;
    dots[6 * APART] = s6;
}

void dk_correlate16(const int16_t now[DK_CORRELATE_SAMPLES], const int16_t *past,
                    int32_t dots[DK_CORRELATE_LAGS])
{
    static_assert(DK_CORRELATE_SAMPLES == 20 * 8, "the assembly above is unrolled for it");
    for (int first = 0; first < DK_CORRELATE_LAGS; first += LAGS * APART) {
        for (int i = first; i < first + APART; i++) {
            seven_lags(now, past + i, dots + i);
        }
    }
}

#endif
