// SPDX-License-Identifier: BSD-3-Clause
// The layers that a generated step function calls, and their contract. The arithmetic is that of
// quantize/integer.py, to the last bit; only the order of exact sums may differ between kernels.
#ifndef DREDKIT_NN_H
#define DREDKIT_NN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// An affine map with int8 weights: y = requantise(W x + bias), y int16.
// The quantiser has proved from the weights that, for any x in [-127, 127], no accumulator leaves
// int32 and no result does before it is saturated; rows that are sparse come in whole groups of 8.
// Every kernel takes these plain tables. Where toolkit/codegen/packing/pack.py packs for the
// kernel's ISA, `weights` is the stream that the kernel's file describes, and bias and all after it
// NULL.
typedef struct {
    const int8_t *weights;      // dense: [rows][cols]; sparse: the kept 8x4 blocks, [block][8][4]
    const uint8_t *index;       // NULL: dense. Else per 8 rows: a count, then block columns (x4)
    const int32_t *bias;        // [rows], in units of the accumulator
    const int16_t *multiplier;  // [rows], 2^14 .. 2^15 - 1
    const uint8_t *shift;       // [rows], 1 .. 46
    uint16_t rows;
    uint16_t cols;
} dk_matrix8;

// The same with int16 weights, for the int16 inputs of a network, which nothing bounds by one.
typedef struct {
    const int16_t *weights;  // [rows][cols]
    const int32_t *bias;
    const int16_t *multiplier;
    const uint8_t *shift;
    uint16_t rows;
    uint16_t cols;
} dk_matrix16;

// A gated recurrent unit of `size`: both matrices have 3 * size rows, gates in the order z, r, h.
typedef struct {
    dk_matrix8 input;
    dk_matrix8 recurrent;
    uint16_t size;
} dk_gru;

// y[rows] = requantise(W x[cols] + bias). x and y do not overlap.
void dk_matvec8(const dk_matrix8 *matrix, const int8_t *x, int16_t *y);
void dk_matvec16(const dk_matrix16 *matrix, const int16_t *x, int16_t *y);

// The same for several vectors, in as few passes over the weights as the kernel can: inputs lie
// x_apart elements from one another, outputs y_apart, which may be negative. What of the matrix is
// read how often is MATVEC8_STEPS of toolkit/codegen/network/reads.py.
void dk_matvec8_batch(const dk_matrix8 *matrix, size_t steps, const int8_t *x, size_t x_apart,
                      int16_t *y, ptrdiff_t y_apart);

// In place: Q12 pre-activations to Q15.
void dk_tanh(int16_t *values, size_t count);
void dk_sigmoid(int16_t *values, size_t count);

// Q15 to the int8 that a matrix product takes: round(127 x).
void dk_narrow(const int16_t *q15, size_t count, int8_t *x8);

// Advance the Q15 state[size] by one step on x8. `gates` is scratch for 6 * size int16, `state8`
// for size int8.
void dk_gru_step(const dk_gru *gru, const int8_t *x8, int16_t *state, int16_t *gates,
                 int8_t *state8);

// What is left of a step after its two products, of the input and of the state, gates z, r, h in
// each: gates[6 * count], which it may use as scratch. The bias is in either product.
//     z = sigmoid(Wz x + Uz s), r = sigmoid(Wr x + Ur s), h = tanh(Wh x + r (Uh s)),
//     s = z s + (1 - z) h, where 1 is 32767 in Q15.
void dk_gru_update(int16_t *gates, size_t count, int16_t *state);

// The second half of a gated linear unit, in place: Q15 gates [count], none below zero, times int16
// x [count], in the format of x.
void dk_gate(int16_t *gates, const int16_t *x, size_t count);

// What a causal convolution over time multiplies: window[taps] = [.., x(t - 2 dilation),
// x(t - dilation), x(t)], inputs of `bytes` bytes each, int8 or int16. The memory of past inputs,
// [(taps - 1) * dilation], moves on by one; taps >= 2.
void dk_conv1d_window(void *memory, size_t taps, size_t dilation, const void *x, size_t bytes,
                      void *window);

// A convolution over time and along a line, 3 by 3 taps, zeros beyond both ends of a line:
// y[rows][width] = requantise(W patch + bias) at each of `width` positions. `past`
// [2][channels][width] holds the lines of times t - 2 and t - 1 and starts as zeros, `x` is the
// line of time t; the matrix has channels * 9 columns: per channel the three times, oldest first,
// with three positions each.
void dk_conv2d(const dk_matrix16 *matrix, const int16_t *past, const int16_t *x, size_t channels,
               size_t width, int16_t *y);

// Move `past` on by one line, x; `count` is channels * width.
void dk_conv2d_keep(int16_t *past, const int16_t *x, size_t count);

// Append `count` values to a layer trace as little-endian bytes; NULL means no trace is wanted.
// Returns where the next layer goes.
uint8_t *dk_trace(uint8_t *trace, const int16_t *values, size_t count);

// A network's first layer starts. It matters in an image that measures, where what went before is
// not to count as that layer's.
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
