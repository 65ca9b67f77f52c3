// SPDX-License-Identifier: BSD-3-Clause
// Portable 3 by 3 convolution over time and along a line.
#include "dk_isa.h"

#if defined(DK_ISA_C)

#include <stdbool.h>

#include "nn/conv2d.h"
#include "nn/fixed.h"
#include "nn/nn.h"

// Return the same as dk_sum_at; `at` is not an end of the line.
static int32_t sum_inside(const int16_t *w, const dk_lines *lines, size_t at)
{
    int32_t sum = 0;
    for (size_t channel = 0; channel < lines->channels; channel++) {
        const size_t from = channel * lines->width + at - 1;
        for (size_t time = 0; time < DK_TIMES; time++) {
            const int16_t *x = lines->times[time] + from;
            sum += (int32_t)w[0] * x[0] + (int32_t)w[1] * x[1] + (int32_t)w[2] * x[2];
            w += DK_TAPS;
        }
    }
    return sum;
}

void dk_conv2d(const dk_matrix16 *matrix, const int16_t *past, const int16_t *x, size_t channels,
               size_t width, int16_t *y)
{
    const dk_lines lines = dk_lines_of(past, x, channels, width);
    const int16_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row++) {
        const int32_t bias = matrix->bias[row];
        const int16_t multiplier = matrix->multiplier[row];
        const uint8_t shift = matrix->shift[row];
        for (size_t at = 0; at < width; at++) {
            const bool inside = at > 0 && at + 1 < width;
            const int32_t sum = inside ? sum_inside(w, &lines, at) : dk_sum_at(w, &lines, at);
            y[row * width + at] = dk_requantise(bias + sum, multiplier, shift);
        }
        w += matrix->cols;
    }
}

#endif
