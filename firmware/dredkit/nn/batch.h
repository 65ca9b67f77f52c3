// SPDX-License-Identifier: BSD-3-Clause
// The layers of nn.h for several steps at once, as a generated dk_<network>_steps calls them. What
// does not wait for a recurrent state goes layer by layer, so that its weights are read once; the
// states still go step by step. The results are those of one step after the other, to the last
// bit. Rows of consecutive steps follow each other, or lie `apart` elements from one another.
#ifndef DREDKIT_NN_BATCH_H
#define DREDKIT_NN_BATCH_H

#include "nn/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

// y[step] = requantise(W x[step] + bias), int16 weights; the matrix is read at every step.
void dk_matvec16_batch(const dk_matrix16 *matrix, size_t steps, const int16_t *x, size_t x_apart,
                       int16_t *y);

// Q15 rows of `count` to the int8 that a matrix product takes.
void dk_narrow_batch(size_t steps, const int16_t *q15, size_t count, int8_t *x8, size_t x8_apart);

// Advance the Q15 state[size] by `steps` steps; out[step][size] has it after each. `gates` is
// scratch for 3 * size * (steps + 1) int16, `state8` for size int8.
void dk_gru_batch(const dk_gru *gru, size_t steps, const int8_t *x8, size_t x_apart, int16_t *state,
                  int16_t *gates, int8_t *state8, int16_t *out);

// dk_conv1d_window at each step: inputs of `bytes` bytes that lie x_apart bytes from one another,
// window[step][taps * bytes].
void dk_conv1d_windows(void *memory, size_t taps, size_t dilation, size_t steps, const void *x,
                       size_t x_apart, size_t bytes, void *window);

// Append `count` values of each step to the step's own trace; traces lie `apart` bytes from one
// another. NULL means that none is wanted. Returns where the next layer of the first step goes.
uint8_t *dk_trace_batch(uint8_t *trace, size_t apart, size_t steps, const int16_t *values,
                        size_t count);

#ifdef __cplusplus
}
#endif

#endif
