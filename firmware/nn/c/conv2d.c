// SPDX-License-Identifier: BSD-3-Clause
// Portable 3 by 3 convolution over time and along a line.
#include "nn/fixed.h"
#include "nn/nn.h"

enum { TIMES = 3, TAPS = 3 };

// Sum the taps `first` to `last` of every channel and time around position `at`.
static int32_t patch(const int16_t *w, const int16_t *const lines[TIMES], size_t channels,
                     size_t width, size_t at, size_t first, size_t last)
{
    int32_t sum = 0;
    for (size_t channel = 0; channel < channels; channel++) {
        for (size_t time = 0; time < TIMES; time++) {
            const int16_t *x = lines[time] + channel * width + at;
            for (size_t tap = first; tap <= last; tap++) {
                sum += (int32_t)w[tap] * x[(ptrdiff_t)tap - 1];
            }
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
        for (size_t at = 0; at < width; at++) {
            const size_t first = at == 0 ? 1 : 0;
            const size_t last = at + 1 == width ? 1 : 2;
            const int32_t sum = patch(w, lines, channels, width, at, first, last);
            *y++ = dk_requantise(matrix->bias[row] + sum, matrix->multiplier[row],
                                 matrix->shift[row]);
        }
        w += matrix->cols;
    }
}
