// SPDX-License-Identifier: BSD-3-Clause
// A real FFT of 320 points without scaling; quantize/fixed/fft.py is the definition.
#ifndef DREDKIT_DSP_FFT_H
#define DREDKIT_DSP_FFT_H

#include <stdint.h>

#define DK_FFT_POINTS 320
#define DK_FFT_BINS 160  // bins 0 .. 159; the last one, at half the rate, is not computed

typedef struct {
    int32_t re;
    int32_t im;
} dk_complex;

extern const int32_t dk_fft_cosines[DK_FFT_POINTS];  // cos(2 pi k / 320), Q30
extern const uint8_t dk_fft_order[DK_FFT_BINS];

// In place. Before: z[dk_fft_order[n]] = {x[2 n], x[2 n + 1]}, |x| <= 2^22. After: the spectrum,
// whose parts stay below 2^30.4.
void dk_real_fft(dk_complex z[DK_FFT_BINS]);

#endif
