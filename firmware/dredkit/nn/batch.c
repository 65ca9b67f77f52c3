// SPDX-License-Identifier: BSD-3-Clause
// The layers for several steps at once, on top of the kernels for one step.
#include "nn/batch.h"

#include <string.h>

void dk_matvec16_batch(const dk_matrix16 *matrix, size_t steps, const int16_t *x, size_t x_apart,
                       int16_t *y)
{
    for (size_t step = 0; step < steps; step++) {
        dk_matvec16(matrix, x + step * x_apart, y + step * matrix->rows);
    }
}

void dk_narrow_batch(size_t steps, const int16_t *q15, size_t count, int8_t *x8, size_t x8_apart)
{
    for (size_t step = 0; step < steps; step++) {
        dk_narrow(q15 + step * count, count, x8 + step * x8_apart);
    }
}

void dk_gru_batch(const dk_gru *gru, size_t steps, const int8_t *x8, size_t x_apart, int16_t *state,
                  int16_t *gates, int8_t *state8, int16_t *out)
{
    const size_t n = gru->size;
    const size_t half = 3 * n;
    // The first step's gates lie last. So at every step the room behind the input's gates, which
    // the state's product needs, is free.
    int16_t *at = gates + (steps - 1) * half;
    dk_matvec8_batch(&gru->input, steps, x8, x_apart, at, -(ptrdiff_t)half);
    for (size_t step = 0; step < steps; step++) {
        dk_narrow(state, n, state8);
        dk_matvec8(&gru->recurrent, state8, at + half);
        dk_gru_update(at, n, state);
        memcpy(out + step * n, state, n * sizeof state[0]);
        at -= half;
    }
}

void dk_conv1d_windows(void *memory, size_t taps, size_t dilation, size_t steps, const void *x,
                       size_t x_apart, size_t bytes, void *window)
{
    const uint8_t *in = x;
    uint8_t *out = window;
    for (size_t step = 0; step < steps; step++) {
        dk_conv1d_window(memory, taps, dilation, in + step * x_apart, bytes,
                         out + step * taps * bytes);
    }
}

uint8_t *dk_trace_batch(uint8_t *trace, size_t apart, size_t steps, const int16_t *values,
                        size_t count)
{
    // Call dk_trace even without a trace: an image that counts cycles uses the calls as layer ends.
    for (size_t step = 0; step < steps; step++) {
        uint8_t *at = trace == NULL ? NULL : trace + step * apart;
        (void)dk_trace(at, values + step * count, count);
    }
    return trace == NULL ? NULL : trace + count * sizeof values[0];
}
