// SPDX-License-Identifier: BSD-3-Clause
// The layers of nn.h for several steps at once, as a generated dk_<network>_steps calls them.
// Layers that do not depend on a recurrent state process all steps before the next layer starts, so
// their weights are read once; recurrent states still advance step by step. The results equal
// single steps to the last bit. The rows of consecutive steps are contiguous, or lie `apart`
// elements apart.
#ifndef DREDKIT_NN_BATCH_H
#define DREDKIT_NN_BATCH_H

#include "nn/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

// Compute y[step] = requantise(W x[step] + bias), int16 weights. Every step reads the matrix.
void dk_matvec16_batch(const dk_matrix16 *matrix, size_t steps, const int16_t *x, size_t x_apart,
                       int16_t *y);

// Convert Q15 rows of `count` values to the int8 inputs of a matrix product.
void dk_narrow_batch(size_t steps, const int16_t *q15, size_t count, int8_t *x8, size_t x8_apart);

// Advance the Q15 state[size] by `steps` steps; out[step][size] receives the state after each step.
// `gates` is scratch for 3 * size * (steps + 1) int16, `state8` is scratch for size int8.
void dk_gru_batch(const dk_gru *gru, size_t steps, const int8_t *x8, size_t x_apart, int16_t *state,
                  int16_t *gates, int8_t *state8, int16_t *out);

// Call dk_conv1d_window for each step. Inputs have `bytes` bytes and lie x_apart bytes apart; the
// result is window[step][taps * bytes].
void dk_conv1d_windows(void *memory, size_t taps, size_t dilation, size_t steps, const void *x,
                       size_t x_apart, size_t bytes, void *window);

// Append `count` values of each step to the step's own trace; the traces lie `apart` bytes apart.
// If `trace` is NULL, no trace is written. Returns the place of the first step's next layer.
uint8_t *dk_trace_batch(uint8_t *trace, size_t apart, size_t steps, const int16_t *values,
                        size_t count);

#ifdef __cplusplus
}
#endif

#endif
