// SPDX-License-Identifier: BSD-3-Clause
// Features for the frames of a gap that no payload covers: predicted, or held, and fading.
// quantize/plc/concealment.py defines them to the bit.
//
//   samples before a gap       dk_plc_begin, then dk_plc_hear for each frame as it is played
//   a gap begins               dk_plc_begin unless they were heard, and dk_plc_past
//   a payload covers a frame   dk_plc_known
//   nothing covers a frame     dk_plc_missing
//   a frame will be missing    dk_plc_foresee, which changes no result
#ifndef DREDKIT_PLC_CONCEALMENT_H
#define DREDKIT_PLC_CONCEALMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "plc/heard.h"
#include "plc_config.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_PLC_INPUTS 57  // of the predictor: 36 Burg cepstra, 20 features, a flag

// What a receiver remembers for frames without a payload. The caller provides the memory; all
// fields are private.
typedef struct {
    int16_t past[DK_HEARD_KNOWN][DK_FEATURES];  // of the frames before the gap, Q10
    int16_t held[DK_FEATURES];                  // the last known features, Q10
    uint8_t distance;                           // frames from them to the next missing one
    dk_heard heard;                             // the analysis of the frames before the gap
#if DK_PLC_PREDICTOR
    const dk_predictor_weights *weights;
    bool decoded;  // whether a payload gave the last known features, which are then held
    bool behind;   // whether the predictor has not seen all of the inputs
    bool whole;    // it has seen inputs `from` .. `to` - 1 since its reset, and nothing else
    uint8_t from, to;
    uint8_t inputs;                                // how many there are
    int16_t input[DK_HEARD_KNOWN][DK_PLC_INPUTS];  // of the last frames, oldest first, Q10
    dk_predictor predictor;
#endif
} dk_plc;

// Scratch for one call.
typedef struct {
#if DK_PLC_PREDICTOR
    dk_predictor_scratch predictor;
#else
    char none;
#endif
} dk_plc_scratch;

// Initialise: nothing is known but silence. The predictor, if there is one, has the weights that
// are linked into the image, if any are.
void dk_plc_init(dk_plc *plc);

#if DK_PLC_PREDICTOR
// Initialise with the predictor's weights, which must outlive `plc`.
void dk_plc_init_with(dk_plc *plc, const dk_predictor_weights *weights);
#endif

// Begin a gap, or the frames before it. If none of these is heard then, payloads cover all before
// the gap, and dk_plc_past must not be called.
void dk_plc_begin(dk_plc *plc);

// Take the samples of the next of the DK_HEARD_FRAMES frames before a gap, oldest first.
void dk_plc_hear(dk_plc *plc, const int16_t pcm[DK_FEATURES_FRAME]);

// Return how many of these frames were taken.
unsigned dk_plc_heard(const dk_plc *plc);

// Do work of the next dk_plc_missing ahead, where `known` more frames are heard or known before it.
// What it does is of no use if that turns out wrong, but harmless.
void dk_plc_foresee(dk_plc *plc, dk_plc_scratch *work, unsigned known);

// Return the features, Q10, of a heard frame, 1 (the last) to DK_HEARD_KNOWN frames before the gap.
const int16_t *dk_plc_past(const dk_plc *plc, int32_t back);

// Take the features, Q10, that a payload gives for the next frame.
void dk_plc_known(dk_plc *plc, const int16_t features[DK_FEATURES]);

// Compute the features, Q10, of the next frame, which nothing covers.
void dk_plc_missing(dk_plc *plc, dk_plc_scratch *work, int16_t out[DK_FEATURES]);

#ifdef __cplusplus
}
#endif

#endif
