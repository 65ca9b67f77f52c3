// SPDX-License-Identifier: BSD-3-Clause
// A real FFT of 320 points without scaling; quantize/dsp/fft.py defines it.
#ifndef DREDKIT_DSP_FFT_H
#define DREDKIT_DSP_FFT_H

#include <stdint.h>

#include "dk_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_FFT_POINTS 320
#define DK_FFT_BINS 160  // bins 0 .. 159; the last one, at half the rate, is not computed

typedef struct {
    int32_t re;
    int32_t im;
} dk_complex;

extern const int32_t dk_fft_cosines[DK_FFT_POINTS];  // cos(2 pi k / 320), Q30
extern const uint8_t dk_fft_order[DK_FFT_BINS];
// Twiddles in the layout of the vector kernels, Q30. turns40, for the stage that joins 4 times 10
// points: for each bin w, w^2, w^3 (cos and -sin), w = exp(-2 pi i bin / 40). turns160, for the
// last stage: for four neighbouring bins cos w, -sin w, cos w^2, -sin w^2, cos w^3, -sin w^3,
// w = exp(-2 pi i bin / 160).
extern const int32_t dk_fft_turns40[10][3][2];
extern const int32_t dk_fft_turns160[10][6][4];

// Transform x, |x| <= 2^22, in natural order; x is overwritten. The real and imaginary parts stay
// below 2^30.4.
void dk_real_fft(int32_t x[DK_FFT_POINTS], dk_complex bins[DK_FFT_BINS]);

#ifdef __cplusplus
}
#endif

#endif
