// SPDX-License-Identifier: BSD-3-Clause
// Portable 3 by 3 convolution over time and along a line.
#include "nn/fixed.h"
#include "nn/nn.h"

enum { TAPS = 3 };

void dk_conv2d(const dk_matrix16 *matrix, const int16_t *lines, size_t channels, size_t width,
               int16_t *y)
{
    const size_t padded = width + 2;
    const int16_t *weights = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row++) {
        for (size_t at = 0; at < width; at++) {
            const int16_t *w = weights;
            int32_t acc = matrix->bias[row];
            for (size_t channel = 0; channel < channels; channel++) {
                const int16_t *x = lines + channel * padded + at;
                for (size_t time = 0; time < TAPS; time++) {
                    acc += (int32_t)w[0] * x[0] + (int32_t)w[1] * x[1] + (int32_t)w[2] * x[2];
                    w += TAPS;
                    x += channels * padded;
                }
            }
            *y++ = dk_requantise(acc, matrix->multiplier[row], matrix->shift[row]);
        }
        weights += matrix->cols;
    }
}
