// SPDX-License-Identifier: BSD-3-Clause
// The features of the last samples that were heard, without the pitch network.
// quantize/plc/heard.py defines them to the bit.
#ifndef DREDKIT_PLC_HEARD_H
#define DREDKIT_PLC_HEARD_H

#include <stdint.h>

#include "features/features.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_HEARD_KNOWN 5   // frames whose features are computed
#define DK_HEARD_RUN_IN 2  // frames before them, which fill the histories of the analysis
#define DK_HEARD_SAMPLES ((DK_HEARD_RUN_IN + DK_HEARD_KNOWN) * DK_FEATURES_FRAME)

// Scratch for one call.
typedef struct {
    dk_features features;
    int16_t lags[2][DK_PITCH_LAGS];  // of a frame and of the one before it
} dk_heard_scratch;

// Compute the features, Q10, of the last frames of `pcm`, oldest first.
void dk_heard_features(const int16_t pcm[DK_HEARD_SAMPLES], dk_heard_scratch *work,
                       int16_t out[DK_HEARD_KNOWN][DK_FEATURES]);

// Return the pitch period of a frame's correlations, given those of the frame before it and its
// period.
int32_t dk_heard_period(const int16_t now[DK_PITCH_LAGS], const int16_t before[DK_PITCH_LAGS],
                        int32_t last);

#ifdef __cplusplus
}
#endif

#endif
