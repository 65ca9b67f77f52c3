// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid as tables of chords, for kernels that avoid the interpolation.
#ifndef DREDKIT_NN_CHORDS_H
#define DREDKIT_NN_CHORDS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// One chord: the function's value is the upper half of base + 3 x slope, computed modulo 2^32.
typedef struct {
    int32_t base;
    int32_t slope;
} dk_chord;

// Positions of the chords that begin at x = 0. A chord of tanh spans 2^8 in 3 x, a chord of sigmoid
// 2^9. tanh is flat beyond both ends of its table.
enum { DK_TANH_MIDDLE = 256, DK_SIGMOID_MIDDLE = 192 };

extern const dk_chord dk_tanh_chords[2 * DK_TANH_MIDDLE];
extern const dk_chord dk_sigmoid_chords[2 * DK_SIGMOID_MIDDLE];

#ifdef __cplusplus
}
#endif

#endif
