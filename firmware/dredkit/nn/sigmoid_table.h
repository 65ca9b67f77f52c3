// SPDX-License-Identifier: BSD-3-Clause
// The table of sigmoid that portable kernels interpolate.
#ifndef DREDKIT_SIGMOID_TABLE_H
#define DREDKIT_SIGMOID_TABLE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_SIGMOID_LAST 255

// sigmoid(i / 24) in Q16, balanced for its chords. quantize/integer.py computes the same table; a
// test compares the two.
extern const uint16_t dk_sigmoid_table[DK_SIGMOID_LAST + 1];

#ifdef __cplusplus
}
#endif

#endif
