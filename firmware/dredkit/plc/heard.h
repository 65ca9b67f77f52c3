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
#define DK_HEARD_FRAMES (DK_HEARD_RUN_IN + DK_HEARD_KNOWN)
#define DK_HEARD_SAMPLES (DK_HEARD_FRAMES * DK_FEATURES_FRAME)

// The analysis between frames. All fields but `frames` are private.
typedef struct {
    dk_features features;
    int16_t lags[2][DK_PITCH_LAGS];  // of a frame and of the one before it
    uint16_t period;                 // of the last frame, samples
    uint8_t frames;                  // how many were heard
} dk_heard;

// Initialise: nothing was heard.
void dk_heard_init(dk_heard *heard);

// Analyse the next of DK_HEARD_FRAMES frames, oldest first. `out` receives the features, Q10; those
// of the first DK_HEARD_RUN_IN frames have no use.
void dk_heard_frame(dk_heard *heard, const int16_t pcm[DK_FEATURES_FRAME],
                    int16_t out[DK_FEATURES]);

// Return the pitch period of a frame's correlations, given those of the frame before it and its
// period.
int32_t dk_heard_period(const int16_t now[DK_PITCH_LAGS], const int16_t before[DK_PITCH_LAGS],
                        int32_t last);

#ifdef __cplusplus
}
#endif

#endif
