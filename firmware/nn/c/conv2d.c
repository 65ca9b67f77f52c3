// SPDX-License-Identifier: BSD-3-Clause
// Portable 3 by 3 convolution over time and along a line.
#include "nn/fixed.h"
#include "nn/nn.h"

enum { TIMES = 3, TAPS = 3 };

// Sum of products at an end of the line, where the taps before `first` or after `last` see zeros.
static int32_t at_an_end(const int16_t *w, const int16_t *const lines[TIMES], size_t channels,
                         size_t width, size_t at, size_t first, size_t last)
{
    int32_t sum = 0;
    for (size_t channel = 0; channel < channels; channel++) {
        for (size_t time = 0; time < TIMES; time++) {
            for (size_t tap = first; tap <= last; tap++) {
                sum += (int32_t)w[tap] * lines[time][channel * width + at + tap - 1];
            }
            w += TAPS;
        }
    }
    return sum;
}

// The same anywhere else.
static int32_t inside(const int16_t *w, const int16_t *const lines[TIMES], size_t channels,
                      size_t width, size_t at)
{
    int32_t sum = 0;
    for (size_t channel = 0; channel < channels; channel++) {
        const size_t from = channel * width + at - 1;
        for (size_t time = 0; time < TIMES; time++) {
            const int16_t *x = lines[time] + from;
            sum += (int32_t)w[0] * x[0] + (int32_t)w[1] * x[1] + (int32_t)w[2] * x[2];
            w += TAPS;
        }
    }
    return sum;
}

void dk_conv2d(const dk_matrix16 *matrix, const int16_t *past, const int16_t *x, size_t channels,
               size_t width, int16_t *y)
{
    const int16_t *const lines[TIMES] = {past, past + channels * width, x};
    const int16_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row++) {
        const int32_t bias = matrix->bias[row];
        const int16_t multiplier = matrix->multiplier[row];
        const uint8_t shift = matrix->shift[row];
        for (size_t at = 0; at < width; at++) {
            const size_t first = at == 0 ? 1 : 0;
            const size_t last = at + 1 == width ? 1 : 2;
            const int32_t sum = first == 0 && last == 2
                                    ? inside(w, lines, channels, width, at)
                                    : at_an_end(w, lines, channels, width, at, first, last);
            y[row * width + at] = dk_requantise(bias + sum, multiplier, shift);
        }
        w += matrix->cols;
    }
}
