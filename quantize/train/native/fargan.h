// SPDX-License-Identifier: BSD-3-Clause
// FARGAN's steps of 40 samples over a batch, forward and backward. Rows of values are
// [step][batch].
#ifndef DREDKIT_TRAIN_FARGAN_H
#define DREDKIT_TRAIN_FARGAN_H

#include <stdint.h>

// Python reads from here on.
// Multiples of 16: first, units, skip; of 8: batch.
typedef struct {
    int batch, steps;
    int given;  // steps whose samples are put in place of what was said
    int first, units[3], skip;
    int rounded;  // inputs of int8 layers are rounded to 1/127
} fargan_sizes;

// Matrices [outputs][inputs]; GRUs in torch's order r, z, n. Rows of `taps` and `out` are padded
// with zeros to 16 and 48, inputs of `first` to 176: the last step's 44 + 40 and this one's.
typedef struct {
    const float *first, *first_gate, *first_gate_bias, *taps, *taps_bias;
    const float *input[3], *input_bias[3], *recurrent[3], *recurrent_bias[3];
    const float *gate[3], *gate_bias[3];
    const float *skip, *skip_bias, *skip_gate, *skip_gate_bias, *out, *out_bias;
} fargan_weights;

// What the forward pass keeps: inputs of every layer, and its values.
typedef struct {
    float *seen;                      // [176] inputs of the first layer
    float *x, *x_gate, *a, *taps;     // [first] each, [16]
    float *in[3];                     // [first, units[0] or units[1], + 80]
    float *h[3], *heard[3];           // [steps + 1] states [units]; what matrices see of them
    float *rzn[3];                    // [4][units]: r, z, n and what r multiplies
    float *gate[3];                   // [units]
    float *skip_in, *s, *s_gate, *z;  // [units... + first + 80], [skip] each
    float *y;                         // [48] shape of the samples, 8 unused
    float *signal;                    // [batch][256 + 40 steps], the first 256 given
} fargan_values;

// Gradients of what each layer's matrix gave, rows as above; scratch apart from the gains'.
typedef struct {
    float *first, *first_gate, *taps, *input[3], *recurrent[3], *gate[3], *skip, *skip_gate, *out;
    float *gains;  // [steps][batch]
} fargan_slopes;

int fargan_forward(const fargan_sizes *n, const fargan_weights *w, const float *pre,
                   const float *gains, const int32_t *period, const float *known, fargan_values *v);
int fargan_backward(const fargan_sizes *n, const fargan_weights *w, const float *gains,
                    const int32_t *period, const float *dspoken, const fargan_values *v,
                    fargan_slopes *d);
// Python reads up to here.

#endif
