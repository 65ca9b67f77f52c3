// SPDX-License-Identifier: BSD-3-Clause
// 3 by 3 convolution over time and along a line with integer Helium: eight positions at once.
#include <arm_mve.h>

#include "nn/fixed.h"
#include "nn/mve/requantise.h"
#include "nn/nn.h"

enum { TIMES = 3, TAPS = 3, LANES = 8 };

typedef struct {
    const int16_t *times[TIMES];
    size_t channels;
    size_t width;
} lines_t;

// Sum of products at one position, with zeros beyond the ends of the line.
static int32_t one(const int16_t *w, const lines_t *lines, size_t at)
{
    const size_t first = at == 0 ? 1 : 0;
    const size_t last = at + 1 == lines->width ? 1 : 2;
    int32_t sum = 0;
    for (size_t channel = 0; channel < lines->channels; channel++) {
        for (size_t time = 0; time < TIMES; time++) {
            for (size_t tap = first; tap <= last; tap++) {
                const size_t from = channel * lines->width + at + tap - 1;
                sum += (int32_t)w[tap] * lines->times[time][from];
            }
            w += TAPS;
        }
    }
    return sum;
}

static inline void add_tap(const int16_t *x, int16_t w, int32x4_t *even, int32x4_t *odd)
{
    const int16x8_t in = vldrhq_s16(x);
    const int16x8_t weight = vdupq_n_s16(w);
    *even = vaddq_s32(*even, vmullbq_int_s16(in, weight));
    *odd = vaddq_s32(*odd, vmulltq_int_s16(in, weight));
}

// Sums of products at positions at .. at + 7, none of them at an end: the even ones and the odd.
static void eight(const int16_t *w, const lines_t *lines, size_t at, int32x4_t *even,
                  int32x4_t *odd)
{
    for (size_t channel = 0; channel < lines->channels; channel++) {
        for (size_t time = 0; time < TIMES; time++) {
            const int16_t *x = lines->times[time] + channel * lines->width + at - 1;
            add_tap(x, w[0], even, odd);
            add_tap(x + 1, w[1], even, odd);
            add_tap(x + 2, w[2], even, odd);
            w += TAPS;
        }
    }
}

static void eight_at(const dk_matrix16 *matrix, size_t row, const lines_t *lines, size_t at,
                     int16_t *y)
{
    const int16_t *w = matrix->weights + row * matrix->cols;
    int32x4_t even = vdupq_n_s32(matrix->bias[row]);
    int32x4_t odd = even;
    eight(w, lines, at, &even, &odd);
    const int32x4_t multiplier = vdupq_n_s32(matrix->multiplier[row]);
    const int32x4_t shift = vdupq_n_s32(matrix->shift[row]);
    const int16x8_t low = vreinterpretq_s16_s32(dk_requantise_lanes(even, multiplier, shift));
    const int32x4_t high = dk_requantise_lanes(odd, multiplier, shift);
    // Results are int16 already: odd positions go to the upper halves of the even ones' lanes.
    vstrhq_s16(y + at, vmovntq_s32(low, high));
}

void dk_conv2d(const dk_matrix16 *matrix, const int16_t *past, const int16_t *x, size_t channels,
               size_t width, int16_t *y)
{
    const lines_t lines = {{past, past + channels * width, x}, channels, width};
    for (size_t row = 0; row < matrix->rows; row++, y += width) {
        const int16_t *w = matrix->weights + row * matrix->cols;
        size_t at = 0;
        while (at < width) {
            if (at >= 1 && at + LANES < width) {
                eight_at(matrix, row, &lines, at, y);
                at += LANES;
            } else {
                y[at] = dk_requantise(matrix->bias[row] + one(w, &lines, at),
                                      matrix->multiplier[row], matrix->shift[row]);
                at++;
            }
        }
    }
}
