// SPDX-License-Identifier: BSD-3-Clause
// 3 by 3 convolution over time and along a line with integer Helium: sixteen positions at once.
#include "dk_isa.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

#include "nn/conv2d.h"
#include "nn/mve/requantise.h"
#include "nn/nn.h"

enum { LANES = 4, AT_ONCE = 16 };

typedef struct {
    int32x4_t of[AT_ONCE / LANES];
} position_sums;

// Add three taps of one line at sixteen positions; x points at the position before the first. It is
// written in assembly because gcc 12 spends as much on addresses as on the products.
// clang-format off
#define ADD_TAP(from) \
    "ldrsh %[tap], [%[w]], #2\n\t" \
    "vldrh.s32 %q[x4], [%[x], #" #from "]\n\t" \
    "vmla.s32 %q[s0], %q[x4], %[tap]\n\t" \
    "vldrh.s32 %q[x4], [%[x], #8 + " #from "]\n\t" \
    "vmla.s32 %q[s1], %q[x4], %[tap]\n\t" \
    "vldrh.s32 %q[x4], [%[x], #16 + " #from "]\n\t" \
    "vmla.s32 %q[s2], %q[x4], %[tap]\n\t" \
    "vldrh.s32 %q[x4], [%[x], #24 + " #from "]\n\t" \
    "vmla.s32 %q[s3], %q[x4], %[tap]\n\t"

static inline const int16_t *add_line(const int16_t *w, const int16_t *x, position_sums *sums)
{
    int32x4_t x4;
    int32_t tap;
    __asm__ volatile(
        ADD_TAP(0)
        ADD_TAP(2)
        ADD_TAP(4)
        : [s0] "+&w"(sums->of[0]), [s1] "+&w"(sums->of[1]), [s2] "+&w"(sums->of[2]),
          [s3] "+&w"(sums->of[3]), [w] "+&r"(w), [x4] "=&w"(x4), [tap] "=&r"(tap)
        : [x] "l"(x)
        : "memory");
    return w;
}
// clang-format on

static inline void put(int16_t *y, int32x4_t sums, dk_row_requantiser by)
{
    vstrhq_s32(y, dk_requantise_row(sums, by));
}

// Compute sixteen positions from `at` on, none of them at an end of the line.
static void sixteen(const int16_t *w, int32_t bias, dk_row_requantiser by, const dk_lines *lines,
                    size_t at, int16_t *y)
{
    const int32x4_t start = vdupq_n_s32(bias);
    position_sums sums = {{start, start, start, start}};
    const int16_t *x0 = lines->times[0] + at - 1;
    const int16_t *x1 = lines->times[1] + at - 1;
    const int16_t *x2 = lines->times[2] + at - 1;
    for (size_t left = lines->channels; left > 0; left--) {
        w = add_line(w, x0, &sums);
        w = add_line(w, x1, &sums);
        w = add_line(w, x2, &sums);
        x0 += lines->width;
        x1 += lines->width;
        x2 += lines->width;
    }
    put(y + at, sums.of[0], by);
    put(y + at + LANES, sums.of[1], by);
    put(y + at + 2 * LANES, sums.of[2], by);
    put(y + at + 3 * LANES, sums.of[3], by);
}

static inline void single(const int16_t *w, int32_t bias, dk_row_requantiser by,
                          const dk_lines *lines, size_t at, int16_t *y)
{
    const int32x4_t sums = vdupq_n_s32(bias + dk_sum_at(w, lines, at));
    y[at] = (int16_t)vgetq_lane_s32(dk_requantise_row(sums, by), 0);
}

static void row_of(const int16_t *w, int32_t bias, dk_row_requantiser by, const dk_lines *lines,
                   int16_t *y)
{
    const size_t width = lines->width;
    if (width < AT_ONCE + 2) {
        for (size_t at = 0; at < width; at++) {
            single(w, bias, by, lines, at, y);
        }
        return;
    }
    single(w, bias, by, lines, 0, y);
    for (size_t at = 1; at + AT_ONCE < width; at += AT_ONCE) {
        sixteen(w, bias, by, lines, at, y);
    }
    sixteen(w, bias, by, lines, width - 1 - AT_ONCE, y);  // overlaps the positions before
    single(w, bias, by, lines, width - 1, y);
}

void dk_conv2d(const dk_matrix16 *matrix, const int16_t *past, const int16_t *x, size_t channels,
               size_t width, int16_t *y)
{
    const dk_lines lines = dk_lines_of(past, x, channels, width);
    const int16_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row++) {
        const dk_row_requantiser by =
            dk_row_requantiser_of(matrix->multiplier[row], matrix->shift[row]);
        row_of(w, matrix->bias[row], by, &lines, y);
        w += matrix->cols;
        y += width;
    }
}

#endif
