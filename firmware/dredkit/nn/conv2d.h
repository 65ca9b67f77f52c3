// SPDX-License-Identifier: BSD-3-Clause
// Shared by the kernels of dk_conv2d: the lines that it reads, and the sum at a single position,
// for example at an end of a line.
#ifndef DREDKIT_CONV2D_H
#define DREDKIT_CONV2D_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DK_TIMES = 3, DK_TAPS = 3 };

typedef struct {
    const int16_t *times[DK_TIMES];  // each [channels][width], the oldest first
    size_t channels;
    size_t width;
} dk_lines;

// Return the lines of the three times; the arguments are dk_conv2d's.
static inline dk_lines dk_lines_of(const int16_t *past, const int16_t *x, size_t channels,
                                   size_t width)
{
    return (dk_lines){{past, past + channels * width, x}, channels, width};
}

// Return the sum of a row's products at one position, with zeros beyond the ends of the line.
static inline int32_t dk_sum_at(const int16_t *w, const dk_lines *lines, size_t at)
{
    const size_t first = at == 0 ? 1 : 0;
    const size_t last = at + 1 == lines->width ? 1 : 2;
    int32_t sum = 0;
    for (size_t channel = 0; channel < lines->channels; channel++) {
        for (size_t time = 0; time < DK_TIMES; time++) {
            for (size_t tap = first; tap <= last; tap++) {
                const size_t from = channel * lines->width + at + tap - 1;
                sum += (int32_t)w[tap] * lines->times[time][from];
            }
            w += DK_TAPS;
        }
    }
    return sum;
}

#ifdef __cplusplus
}
#endif

#endif
