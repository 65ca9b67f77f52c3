// SPDX-License-Identifier: BSD-3-Clause
// 3 by 3 convolution over time and along a line with SIMD32: two products an instruction, four
// positions at once.
#include "dk_isa.h"

#if defined(DK_ISA_SIMD32)

#include <arm_acle.h>

#include "nn/conv2d.h"
#include "nn/nn.h"
#include "nn/simd32/pairs.h"
#include "nn/simd32/requantise.h"

enum { AT_ONCE = 4 };

typedef struct {
    int32_t at0, at1, at2, at3;
} position_sums;

// Add the three taps of one line at four positions; x points at the position before the first.
static inline void add_line(const int16_t *w, const int16_t *x, position_sums *sums)
{
    const int16x2_t w01 = (int16x2_t)dk_pair(w), w12 = (int16x2_t)dk_pair(w + 1);
    const int16x2_t x01 = (int16x2_t)dk_pair(x), x23 = (int16x2_t)dk_pair(x + 2);
    const int16x2_t x45 = (int16x2_t)dk_pair(x + 4);
    sums->at0 = __smlabt(x23, w12, __smlad(w01, x01, sums->at0));
    sums->at1 = __smlatb(x01, w01, __smlad(w12, x23, sums->at1));
    sums->at2 = __smlabt(x45, w12, __smlad(w01, x23, sums->at2));
    sums->at3 = __smlatb(x23, w01, __smlad(w12, x45, sums->at3));
}

// Return the sums of four positions from `at` on, none of them at an end of the line.
static inline position_sums four(const int16_t *w, int32_t bias, const dk_lines *lines, size_t at)
{
    position_sums sums = {bias, bias, bias, bias};
    const int16_t *x0 = lines->times[0] + at - 1;
    const int16_t *x1 = lines->times[1] + at - 1;
    const int16_t *x2 = lines->times[2] + at - 1;
    const size_t width = lines->width;
    for (const int16_t *end = w + lines->channels * (DK_TIMES * DK_TAPS); w < end;
         w += DK_TIMES * DK_TAPS) {
        add_line(w, x0, &sums);
        add_line(w + DK_TAPS, x1, &sums);
        add_line(w + 2 * DK_TAPS, x2, &sums);
        x0 += width;
        x1 += width;
        x2 += width;
    }
    return sums;
}

static void row_of(const int16_t *w, int32_t bias, dk_requantiser by, const dk_lines *lines,
                   int16_t *y)
{
    size_t at = 0;
    if (lines->width > 0) {
        y[0] = dk_requantised(bias + dk_sum_at(w, lines, 0), by);
        at = 1;
    }
    for (; at + AT_ONCE < lines->width; at += AT_ONCE) {
        const position_sums sums = four(w, bias, lines, at);
        y[at] = dk_requantised(sums.at0, by);
        y[at + 1] = dk_requantised(sums.at1, by);
        y[at + 2] = dk_requantised(sums.at2, by);
        y[at + 3] = dk_requantised(sums.at3, by);
    }
    for (; at < lines->width; at++) {
        y[at] = dk_requantised(bias + dk_sum_at(w, lines, at), by);
    }
}

void dk_conv2d(const dk_matrix16 *matrix, const int16_t *past, const int16_t *x, size_t channels,
               size_t width, int16_t *y)
{
    const dk_lines lines = dk_lines_of(past, x, channels, width);
    const int16_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row++) {
        const dk_requantiser by = dk_requantiser_of(matrix->multiplier[row], matrix->shift[row]);
        row_of(w, matrix->bias[row], by, &lines, y);
        w += matrix->cols;
        y += width;
    }
}

#endif
