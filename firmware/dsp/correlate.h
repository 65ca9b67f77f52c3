// SPDX-License-Identifier: BSD-3-Clause
// Sums of products of int16. The caller scales his samples so that the energies of all vectors
// stay below 2^30; by Cauchy and Schwarz no sum of products, of any part, then leaves int32, so
// that the order of the sums does not matter.
#ifndef DREDKIT_DSP_CORRELATE_H
#define DREDKIT_DSP_CORRELATE_H

#include <stddef.h>
#include <stdint.h>

#define DK_LAGS 4  // correlations computed together

// One file for each instruction set; the compiler's own macros choose.
#if defined(__ARM_FEATURE_MVE)
#define DK_CORRELATE_MVE 1
#elif defined(__ARM_FEATURE_SIMD32)
#define DK_CORRELATE_SIMD32 1
#endif

// sum x[k]^2 of a count that is a multiple of 8.
int32_t dk_energy16(const int16_t *x, size_t count);

// dots[i] = sum now[k] past[k + i], i = 0 .. 3, of a count that is a multiple of 8; reads
// past[0 .. count + 2].
void dk_dots16(const int16_t *now, const int16_t *past, size_t count, int32_t dots[DK_LAGS]);

#endif
