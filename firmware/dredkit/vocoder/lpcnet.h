// SPDX-License-Identifier: BSD-3-Clause
// LPCNet: a small recurrent network that draws the excitation of a linear predictor, sample by
// sample. quantize/vocoder/lpcnet/speak.py is the definition, to the bit, the random draw included.
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

// One voice; the caller gives the memory. Nothing in it is for the caller.
typedef struct {
    dk_lpcnet_condition condition;
    int32_t gates_a[3 * DK_LPCNET_A];  // the frame's share of pre-activations
    int32_t gates_b[3 * DK_LPCNET_B];
    int16_t state_a[DK_LPCNET_A];  // Q15
    int16_t state_b[DK_LPCNET_B];
    alignas(4) dk_lpcnet_number x_a[DK_LPCNET_A];  // the states as products take them
    alignas(4) dk_lpcnet_number x_b[DK_LPCNET_B];
    int16_t features[DK_VOICE_FEATURES];              // of the frame spoken next
    int16_t signal[DK_VOICE_ORDER + DK_VOICE_FRAME];  // the last samples come first
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

// Forget everything. `context` has the features of frames t - 3 .. t, `past` the PCM before the
// first sample of frame t; all oldest first.
void dk_lpcnet_begin(dk_lpcnet *voice, const int16_t context[DK_VOICE_CONTEXT][DK_VOICE_FEATURES],
                     const int16_t past[DK_VOICE_PAST]);

// Speak frame t and move on; `ahead` has the features of frame t + 1. `known` is NULL or has the
// true samples, over which the voice is run and which it returns.
void dk_lpcnet_frame(dk_lpcnet *voice, const int16_t ahead[DK_VOICE_FEATURES], const int16_t *known,
                     int16_t pcm[DK_VOICE_FRAME]);

#ifdef __cplusplus
}
#endif

#endif
