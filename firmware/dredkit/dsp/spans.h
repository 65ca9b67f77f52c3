// SPDX-License-Identifier: BSD-3-Clause
// What is to be known of a span of int32 samples before it is scaled to int16, and the scaling.
// Counts are multiples of 8 unless they say otherwise.
#ifndef DREDKIT_DSP_SPANS_H
#define DREDKIT_DSP_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "dk_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

// A number of as many bits as the largest magnitude has.
uint32_t dk_peak32(const int32_t *x, size_t count);

// sum (x[n] >> down)^2, within 64 bits.
uint64_t dk_energy32(const int32_t *x, size_t count, int down);

// sum (a[n] >> down) (b[n] >> down) of any count, within 64 bits.
int64_t dk_dot32(const int32_t *a, const int32_t *b, size_t count, int down);

// y[n] = x[n] / 2^shift, nearest, half up; a negative shift multiplies. Results are int16, and x
// leaves room for the half that rounds.
void dk_scale16(const int32_t *x, size_t count, int shift, int16_t *y);

#ifdef __cplusplus
}
#endif

#endif
