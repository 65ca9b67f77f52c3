// SPDX-License-Identifier: BSD-3-Clause
// Sums of products of int16. The caller scales his samples so that the energies of all vectors
// stay below 2^30; by Cauchy and Schwarz no sum of products, of any part, then leaves int32, so
// that the order of the sums does not matter.
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

// sum x[k]^2 of a count that is a multiple of 8.
int32_t dk_energy16(const int16_t *x, size_t count);

// dots[i] = sum now[k] past[k + i]; `past` is the start of a word. Of the past 391 samples are
// read, eight more than matter.
void dk_correlate16(const int16_t now[DK_CORRELATE_SAMPLES], const int16_t *past,
                    int32_t dots[DK_CORRELATE_LAGS]);

#ifdef __cplusplus
}
#endif

#endif
