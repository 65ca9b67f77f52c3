// SPDX-License-Identifier: BSD-3-Clause
// Sums of products of int16, two products an instruction: Cortex-M4, M7 and M33.
//
// A lag multiplies words of the past, which start at even samples, by words of the present. For
// even lags the present's words start at even samples too; for odd lags they start a sample
// earlier. So the words of both kinds are laid out in turn, once for all lags.
#include "dsp/correlate.h"

#if defined(DK_ISA_SIMD32)

#include <arm_acle.h>
#include <assert.h>
#include <string.h>

#include "nn/scratch.h"

typedef struct {
    int16x2_t even;  // samples 2 j and 2 j + 1 of the present
    int16x2_t odd;   // samples 2 j - 1 and 2 j
} word_pair;

static inline int16x2_t pair(const int16_t *x)
{
    int16x2_t two;
    memcpy(&two, x, sizeof two);
    return two;
}

int32_t dk_energy16(const int16_t *x, size_t count)
{
    int32_t sum = 0;
#pragma GCC unroll 4
    for (const int16_t *end = x + count; x < end; x += 2) {
        const int16x2_t two = pair(x);
        sum = __smlad(two, two, sum);
    }
    return sum;
}

// Multiply two words of the present by words of the past; `e0` is already loaded, and `e2` stays
// for the next words.
#define TWO_WORDS(e0, e1, e2) \
    "ldmia %[now]!, {r4, r5, r6, r8}\n\t" \
    "ldrd %[" e1 "], %[" e2 "], [%[past]], #8\n\t" \
    "smlad %[s0], r4, %[" e0 "], %[s0]\n\t" \
    "smlad %[s1], r5, %[" e0 "], %[s1]\n\t" \
    "smlad %[s2], r4, %[" e1 "], %[s2]\n\t" \
    "smlad %[s3], r5, %[" e1 "], %[s3]\n\t" \
    "smlad %[s0], r6, %[" e1 "], %[s0]\n\t" \
    "smlad %[s1], r8, %[" e1 "], %[s1]\n\t" \
    "smlad %[s2], r6, %[" e2 "], %[s2]\n\t" \
    "smlad %[s3], r8, %[" e2 "], %[s3]\n\t"

// Four words: afterwards `a` again holds the loaded word.
#define FOUR_WORDS TWO_WORDS("a", "b", "c") TWO_WORDS("c", "b", "a")

static __attribute__((noinline)) void four_lags(const word_pair *now, const int16_t *past,
                                                int32_t *dots)
{
    static_assert(DK_CORRELATE_SAMPLES == 4 * 5 * 8, "the assembly below is unrolled for it");
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int16x2_t a, b, c;
    int rounds = 4;
    DK_WORD(r4);
    DK_WORD(r5);
    DK_WORD(r6);
    DK_WORD(r8);
    // clang-format off
    __asm__ volatile(
        "ldr %[a], [%[past]], #4\n"
        "1:\n\t"
        FOUR_WORDS
        FOUR_WORDS
        FOUR_WORDS
        FOUR_WORDS
        FOUR_WORDS
        "subs %[rounds], #1\n\t"
        "bne 1b\n\t"
        // After the last sample, only the odd words still hold a sample.
        "ldr %[b], [%[past]]\n\t"
        "ldr %[c], [%[now], #4]\n\t"
        "smlad %[s1], %[c], %[a], %[s1]\n\t"
        "smlad %[s3], %[c], %[b], %[s3]\n\t"
        : [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3), [now] "+&r"(now),
          [past] "+&r"(past), [rounds] "+&r"(rounds), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c),
          DK_WRITES(r4), DK_WRITES(r5), DK_WRITES(r6), DK_WRITES(r8)
        :
        : "cc", "memory");
    // clang-format on
    dots[0] = s0;
    dots[1] = s1;
    dots[2] = s2;
    dots[3] = s3;
}

void dk_correlate16(const int16_t now[DK_CORRELATE_SAMPLES], const int16_t *past,
                    int32_t dots[DK_CORRELATE_LAGS])
{
    word_pair words[DK_CORRELATE_SAMPLES / 2 + 1];
    uint32_t before = 0;
    for (size_t k = 0; k < DK_CORRELATE_SAMPLES; k += 2) {
        const uint32_t two = (uint32_t)pair(now + k);
        words[k / 2] = (word_pair){(int16x2_t)two, (int16x2_t)(before >> 16 | two << 16)};
        before = two;
    }
    words[DK_CORRELATE_SAMPLES / 2] = (word_pair){0, (int16x2_t)(before >> 16)};
    for (size_t i = 0; i < DK_CORRELATE_LAGS; i += 4) {
        four_lags(words, past + i, dots + i);
    }
}

#endif
