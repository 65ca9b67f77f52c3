// SPDX-License-Identifier: BSD-3-Clause
// Burg cepstra: the predictor's view of heard samples. quantize/plc/burg.py defines them to the
// bit. Every frame costs the same, but for a recursion that stops at a gain of 30 dB.
#ifndef DREDKIT_PLC_BURG_H
#define DREDKIT_PLC_BURG_H

#include <stdint.h>

#include "dsp/lpc.h"
#include "features/features.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_BURG_HALF (DK_FEATURES_FRAME / 2)
#define DK_BURG_SAMPLES (DK_BURG_HALF - 1)  // pre-emphasised samples of half a frame
#define DK_BURG_CEPSTRA (2 * DK_CEPSTRUM)

// Compute the cepstra of a frame, Q20: half the sum of those of both halves, then the difference.
void dk_burg_cepstra(const int16_t pcm[DK_FEATURES_FRAME], int32_t cepstra[DK_BURG_CEPSTRA]);

// Find the predictor of samples that stay below 2^26. Its residual is
// x[n] + sum lpc[k] x[n - 1 - k]; the coefficients are Q20. Returns the residual's energy.
int64_t dk_burg(const int32_t x[DK_BURG_SAMPLES], int32_t lpc[DK_LPC_ORDER]);

#ifdef __cplusplus
}
#endif

#endif
