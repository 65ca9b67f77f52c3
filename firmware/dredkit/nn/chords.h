// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid as chords, for kernels that have no time to interpolate.
#ifndef DREDKIT_NN_CHORDS_H
#define DREDKIT_NN_CHORDS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The upper half of base + 3 x slope is the function's value on a chord, modulo 2^32.
typedef struct {
    int32_t base;
    int32_t slope;
} dk_chord;

// The chords that begin at x = 0; those of tanh are steps of 2^8 in 3 x and flat beyond both ends
// of the table, those of sigmoid steps of 2^9.
enum { DK_TANH_MIDDLE = 256, DK_SIGMOID_MIDDLE = 192 };

extern const dk_chord dk_tanh_chords[2 * DK_TANH_MIDDLE];
extern const dk_chord dk_sigmoid_chords[2 * DK_SIGMOID_MIDDLE];

#ifdef __cplusplus
}
#endif

#endif
