// SPDX-License-Identifier: BSD-3-Clause
// Peak, energy and products of a span of int32 samples, and its scaling to int16. Counts are
// multiples of 8 unless a function says otherwise.
#ifndef DREDKIT_DSP_SPANS_H
#define DREDKIT_DSP_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "dk_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

// Return a number with as many bits as the largest magnitude has.
uint32_t dk_peak32(const int32_t *x, size_t count);

// Return the sum of (x[n] >> down)^2, within 64 bits.
uint64_t dk_energy32(const int32_t *x, size_t count, int down);

// Return the sum of (a[n] >> down) (b[n] >> down), within 64 bits; any count.
int64_t dk_dot32(const int32_t *a, const int32_t *b, size_t count, int down);

// Compute y[n] = x[n] / 2^shift, nearest, half up; a negative shift multiplies. The caller
// guarantees that the results fit int16 and that x leaves room for the rounding half.
void dk_scale16(const int32_t *x, size_t count, int shift, int16_t *y);

#ifdef __cplusplus
}
#endif

#endif
