// SPDX-License-Identifier: BSD-3-Clause
// FARGAN: a network that speaks 40 samples at a time from its own past.
// quantize/vocoder/fargan/speak.py and cells.py define it to the bit. Sizes come from the generated
// fargan_model.h, tables from fargan_model.c and the weights of two networks.
#ifndef DREDKIT_VOCODER_FARGAN_H
#define DREDKIT_VOCODER_FARGAN_H

#include <stdalign.h>
#include <stdint.h>

#include "fargan_condition.h"
#include "fargan_model.h"
#include "fargan_step_weights.h"
#include "vocoder/synthesis.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_FARGAN_STEP 40      // samples spoken at once
#define DK_FARGAN_HISTORY 256  // past samples that a step can see
#define DK_FARGAN_AROUND 2     // samples to each side of the predicted ones
#define DK_FARGAN_PREDICTED (DK_FARGAN_STEP + 2 * DK_FARGAN_AROUND)
#define DK_FARGAN_HEARD (2 * DK_FARGAN_STEP)  // inputs of a deeper layer that are samples
#define DK_FARGAN_PERIODS 224                 // rows of the embedding, from 32 samples on
#define DK_FARGAN_CONTEXT 2                   // feature frames that it begins with
#define DK_FARGAN_PAST DK_VOICE_FRAME         // samples that it begins with
#define DK_FARGAN_KNOWN_FRAMES 1  // frames of heard samples that it follows, then it speaks
#define DK_FARGAN_INPUTS (DK_FARGAN_VECTOR + DK_FARGAN_PREDICTED + DK_FARGAN_STEP + DK_FARGAN_NOISE)
#define DK_FARGAN_ALL \
    (DK_FARGAN_GRU1 + DK_FARGAN_GRU2 + DK_FARGAN_GRU3 + DK_FARGAN_FIRST + DK_FARGAN_HEARD)

#if defined(DK_FARGAN_LINKED)
// Q10 embedding of each period; the longest two share the last row. Generated.
extern const int16_t dk_fargan_periods[DK_FARGAN_PERIODS][DK_FARGAN_EMBEDDING];
#endif

#define DK_VOICE_WEIGHTS dk_fargan_weights  // what a receiver hands on to its voice

// The weights of a voice: of its two networks, and the embedding of the period.
typedef struct {
    const dk_fargan_condition_weights *condition;
    const dk_fargan_step_weights *step;
    const int16_t (*periods)[DK_FARGAN_EMBEDDING];  // [DK_FARGAN_PERIODS], Q10
} dk_fargan_weights;

// One voice. The signal is pre-emphasised, Q18 and within 19 bits. The caller provides the memory;
// all fields but `weights` are private. Set `weights` before dk_fargan_begin, which keeps them.
// NULL stands for what is linked into the image, if anything is.
typedef struct {
    dk_fargan_weights weights;
    dk_fargan_condition condition;
    alignas(4) int16_t vectors[DK_FARGAN_CONDITION_CONDITIONING];  // Q15, of the four steps
    int32_t history[DK_FARGAN_HISTORY];                            // the signal, newest last
    alignas(4) int16_t state1[DK_FARGAN_GRU1];                     // Q15
    alignas(4) int16_t state2[DK_FARGAN_GRU2];
    alignas(4) int16_t state3[DK_FARGAN_GRU3];
    alignas(4) int8_t inputs[2 * DK_FARGAN_INPUTS];  // of the last step's first layer, this step's
    uint32_t random;
    int32_t before;   // the last sample, Q18
    uint16_t period;  // of the frame to be spoken next, samples
    union {
        struct {
            dk_fargan_condition_scratch scratch;
            int16_t features[DK_FARGAN_CONDITION_FEATURES];
        } frame;
        struct {
            int32_t repeated[DK_FARGAN_PREDICTED];
            alignas(4) int16_t predicted[DK_FARGAN_PREDICTED];  // Q15, divided by the gain
            alignas(4) int16_t last[DK_FARGAN_STEP];
            alignas(4) int16_t row[DK_FARGAN_MOST];
            alignas(4) int16_t gates[DK_FARGAN_GATES];
            alignas(4) int8_t state8[DK_FARGAN_MOST_GRU];
            alignas(4) int8_t heard[DK_FARGAN_MOST_HEARD];  // a GRU's inputs
            alignas(4) int8_t all[DK_FARGAN_ALL];           // the skip layer's inputs
            int16_t taps[4];                                // weights of the prediction, Q15
        } step;
    } work;
} dk_fargan;

// Drop all state and start. `context` holds the Q10 features of frames t - 1 and t, `past` the PCM
// before the first sample of frame t; both are oldest first.
void dk_fargan_begin(dk_fargan *voice, const int16_t context[DK_FARGAN_CONTEXT][DK_VOICE_FEATURES],
                     const int16_t past[DK_FARGAN_PAST]);

// Speak frame t and move on to t + 1, whose features are `ahead`. If `known` is not NULL, it holds
// the true samples of frame t: the voice follows them and returns them. `known` may be `pcm`.
void dk_fargan_frame(dk_fargan *voice, const int16_t ahead[DK_VOICE_FEATURES], const int16_t *known,
                     int16_t pcm[DK_VOICE_FRAME]);

// Speak the first `count` samples of frame t, 1 .. DK_VOICE_FRAME. Others may be written, too. The
// voice must then begin again.
void dk_fargan_end(dk_fargan *voice, const int16_t ahead[DK_VOICE_FEATURES], int32_t count,
                   int16_t pcm[DK_VOICE_FRAME]);

#ifdef __cplusplus
}
#endif

#endif
