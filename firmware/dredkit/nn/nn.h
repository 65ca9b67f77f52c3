// SPDX-License-Identifier: BSD-3-Clause
// The layers that a generated step function calls, and their contract. Every kernel equals
// quantize/integer.py to the last bit; only the order of exact sums may differ between kernels.
#ifndef DREDKIT_NN_H
#define DREDKIT_NN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// An affine map with int8 weights: y = requantise(W x + bias), y int16.
// The quantiser has proved from the weights that for any x in [-127, 127] no accumulator leaves
// int32, and no result leaves int32 before it is saturated. Sparse rows come in whole groups of 8.
// Every kernel takes these plain tables. If toolkit/codegen/packing/pack.py packed the matrix for
// the kernel's ISA, `weights` is the stream that the kernel's file describes; `bias`, `multiplier`
// and `shift` are NULL.
typedef struct {
    const int8_t *weights;      // dense: [rows][cols]; sparse: the kept 8x4 blocks, [block][8][4]
    const uint8_t *index;       // NULL: dense. Else per 8 rows: a count, then its blocks' columns/4
    const int32_t *bias;        // [rows], in units of the accumulator
    const int16_t *multiplier;  // [rows], 2^14 .. 2^15 - 1
    const uint8_t *shift;       // [rows], 1 .. 46
    uint16_t rows;
    uint16_t cols;
} dk_matrix8;

// The same with int16 weights, for a network's int16 inputs, which are not bounded by one.
typedef struct {
    const int16_t *weights;  // [rows][cols]
    const int32_t *bias;
    const int16_t *multiplier;
    const uint8_t *shift;
    uint16_t rows;
    uint16_t cols;
} dk_matrix16;

// A gated recurrent unit (GRU) of `size` units. Both matrices have 3 * size rows: the gates z, r, h
// in this order.
typedef struct {
    dk_matrix8 input;
    dk_matrix8 recurrent;
    uint16_t size;
} dk_gru;

// Compute y[rows] = requantise(W x[cols] + bias). x and y must not overlap.
void dk_matvec8(const dk_matrix8 *matrix, const int8_t *x, int16_t *y);
void dk_matvec16(const dk_matrix16 *matrix, const int16_t *x, int16_t *y);

// Compute the same for several vectors, in as few passes over the weights as the kernel can.
// Consecutive inputs lie x_apart elements apart, consecutive outputs y_apart elements apart;
// y_apart may be negative. See MATVEC8_STEPS in toolkit/codegen/network/reads.py for how many times
// each kernel reads the matrix.
void dk_matvec8_batch(const dk_matrix8 *matrix, size_t steps, const int8_t *x, size_t x_apart,
                      int16_t *y, ptrdiff_t y_apart);

// Replace Q12 pre-activations by Q15 activations, in place.
void dk_tanh(int16_t *values, size_t count);
void dk_sigmoid(int16_t *values, size_t count);

// Convert Q15 to the int8 inputs of a matrix product: round(127 x).
void dk_narrow(const int16_t *q15, size_t count, int8_t *x8);

// Advance the Q15 state[size] by one step with input x8. `gates` is scratch for 6 * size int16,
// `state8` is scratch for size int8.
void dk_gru_step(const dk_gru *gru, const int8_t *x8, int16_t *state, int16_t *gates,
                 int8_t *state8);

// Finish a GRU step after its two matrix products. gates[6 * count] holds the input's product, then
// the state's product, each with the gates z, r, h; the kernel may use it as scratch. Both products
// include their bias.
//     z = sigmoid(Wz x + Uz s), r = sigmoid(Wr x + Ur s), h = tanh(Wh x + r (Uh s)),
//     s = z s + (1 - z) h, where 1 is 32767 in Q15.
void dk_gru_update(int16_t *gates, size_t count, int16_t *state);

// Finish a gated linear unit in place: multiply the Q15 gates[count], none below zero, by the int16
// x[count]. The results have x's format.
void dk_gate(int16_t *gates, const int16_t *x, size_t count);

// Gather the window of a causal convolution over time: window[taps] = [.., x(t - 2 dilation),
// x(t - dilation), x(t)]. Each input has `bytes` bytes, int8 or int16. The memory of past inputs,
// [(taps - 1) * dilation], moves on by one input; taps >= 2.
void dk_conv1d_window(void *memory, size_t taps, size_t dilation, const void *x, size_t bytes,
                      void *window);

// Convolve over time and along a line with 3 by 3 taps; beyond both ends of a line there are zeros.
// y[rows][width] = requantise(W patch + bias) at each of `width` positions. `past`
// [2][channels][width] holds the lines of times t - 2 and t - 1 and starts as zeros; `x` is the
// line of time t. The matrix has channels * 9 columns: for each channel the three times, oldest
// first, with three positions each.
void dk_conv2d(const dk_matrix16 *matrix, const int16_t *past, const int16_t *x, size_t channels,
               size_t width, int16_t *y);

// Append the line x to `past` and drop the oldest line; `count` is channels * width.
void dk_conv2d_keep(int16_t *past, const int16_t *x, size_t count);

// Append `count` values to a layer trace as little-endian bytes; if `trace` is NULL, do nothing.
// Returns the place of the next layer, or NULL.
uint8_t *dk_trace(uint8_t *trace, const int16_t *values, size_t count);

// Mark the start of a network's first layer. Only an image that measures uses it, so that earlier
// work does not count as the first layer's.
#ifdef DK_PROFILE
void dk_trace_start(const uint8_t *trace);
#else
static inline void dk_trace_start(const uint8_t *trace)
{
    (void)trace;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
