// SPDX-License-Identifier: BSD-3-Clause
// Sums of products of int16. The caller scales the samples so that the energies of all vectors
// stay below 2^30. By Cauchy and Schwarz no sum of products, over any part, then leaves int32; so
// the order of the sums does not matter.
#ifndef DREDKIT_DSP_CORRELATE_H
#define DREDKIT_DSP_CORRELATE_H

#include <stddef.h>
#include <stdint.h>

#include "dk_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_CORRELATE_SAMPLES 160
#define DK_CORRELATE_LAGS 224

// Return the sum of x[k]^2; `count` is a multiple of 8.
int32_t dk_energy16(const int16_t *x, size_t count);

// Compute dots[i] = sum now[k] past[k + i]; `past` is aligned to a word. 391 samples of the past
// are read, eight more than matter.
void dk_correlate16(const int16_t now[DK_CORRELATE_SAMPLES], const int16_t *past,
                    int32_t dots[DK_CORRELATE_LAGS]);

#ifdef __cplusplus
}
#endif

#endif
