// SPDX-License-Identifier: BSD-3-Clause
// LPCNet: a small recurrent network that draws the excitation of a linear predictor, sample by
// sample. quantize/vocoder/lpcnet/speak.py defines it to the bit, including the random draws.
#ifndef DREDKIT_VOCODER_LPCNET_H
#define DREDKIT_VOCODER_LPCNET_H

#include <stdalign.h>
#include <stdint.h>

#include "lpcnet_condition.h"
#include "vocoder/lpcnet_cells.h"
#include "vocoder/synthesis.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_LPCNET_CONTEXT DK_VOICE_CONTEXT  // feature frames that it begins with
#define DK_LPCNET_PAST DK_VOICE_PAST        // samples that it begins with
#define DK_LPCNET_KNOWN_FRAMES 1  // frames of heard samples that it follows, then it speaks

#define DK_VOICE_WEIGHTS dk_lpcnet_weights  // what a receiver hands on to its voice

// The weights of a voice: of its frame-rate network, and of the sample loop.
typedef struct {
    const dk_lpcnet_condition_weights *condition;
    const dk_lpcnet_cells *cells;
} dk_lpcnet_weights;

// One voice. The caller provides the memory; all fields but `weights` are private. Set `weights`
// before dk_lpcnet_begin, which keeps them. NULL stands for what is linked into the image, if
// anything is.
typedef struct {
    dk_lpcnet_weights weights;
    dk_lpcnet_condition condition;
    int32_t gates_a[3 * DK_LPCNET_A];  // the frame's part of the pre-activations
    int32_t gates_b[3 * DK_LPCNET_B];
    int16_t state_a[DK_LPCNET_A];  // Q15
    int16_t state_b[DK_LPCNET_B];
    alignas(4) dk_lpcnet_number x_a[DK_LPCNET_A];  // the states in the products' input format
    alignas(4) dk_lpcnet_number x_b[DK_LPCNET_B];
    int16_t features[DK_VOICE_FEATURES];              // of the frame to be spoken next
    int16_t signal[DK_VOICE_ORDER + DK_VOICE_FRAME];  // the past samples, then the frame's
    int16_t before;                                   // the last PCM sample
    uint8_t codes[DK_LPCNET_HEARD];
    uint32_t random;
    union {
        struct {
            dk_lpcnet_condition_scratch scratch;
            int16_t gates_a[3 * DK_LPCNET_A];
            int16_t gates_b[3 * DK_LPCNET_B];
        } frame;
        struct {
            int32_t sums_a[3 * DK_LPCNET_A], kept_a[DK_LPCNET_A];
            int32_t sums_b[3 * DK_LPCNET_B], kept_b[DK_LPCNET_B];
        } sample;
    } work;
} dk_lpcnet;

// Drop all state and start. `context` holds the features of frames t - 3 .. t, `past` the PCM
// before the first sample of frame t; both are oldest first.
void dk_lpcnet_begin(dk_lpcnet *voice, const int16_t context[DK_VOICE_CONTEXT][DK_VOICE_FEATURES],
                     const int16_t past[DK_VOICE_PAST]);

// Speak frame t and move on to t + 1, whose features are `ahead`. If `known` is not NULL, it holds
// the true samples of frame t: the voice follows them and returns them.
void dk_lpcnet_frame(dk_lpcnet *voice, const int16_t ahead[DK_VOICE_FEATURES], const int16_t *known,
                     int16_t pcm[DK_VOICE_FRAME]);

// Speak the first `count` samples of frame t, 1 .. DK_VOICE_FRAME. Others may be written, too. The
// voice must then begin again.
void dk_lpcnet_end(dk_lpcnet *voice, const int16_t ahead[DK_VOICE_FEATURES], int32_t count,
                   int16_t pcm[DK_VOICE_FRAME]);

#ifdef __cplusplus
}
#endif

#endif
