// SPDX-License-Identifier: BSD-3-Clause
// The untrained voice: pulses and noise through the predictor. quantize/vocoder/pulse.py defines it
// to the bit. Any feature may have any int16 value. Every frame costs the same, except for some 40
// instructions a pulse.
#ifndef DREDKIT_VOCODER_PULSE_H
#define DREDKIT_VOCODER_PULSE_H

#include <stdint.h>

#include "vocoder/synthesis.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_PULSE_CONTEXT DK_VOICE_CONTEXT  // feature frames that it begins with
#define DK_PULSE_PAST DK_VOICE_PAST        // samples that it begins with
#define DK_PULSE_KNOWN_FRAMES 1  // frames of heard samples that it follows, then it speaks
#define DK_PULSE_HALF (DK_VOICE_FRAME / 2)  // samples with one predictor and one gain
#define DK_PULSE_TAPS 16                    // taps of a pulse and of the noise's filter

// State and scratch. The caller provides the memory; all fields are private.
typedef struct {
    int32_t excitation[DK_PULSE_HALF + DK_PULSE_TAPS];  // Q12; its end starts the next half
    int16_t signal[DK_VOICE_ORDER + DK_PULSE_HALF];     // the past samples first
    int16_t hiss[DK_PULSE_TAPS + DK_PULSE_HALF];        // white noise, the past samples first
    int16_t before[DK_VOICE_FEATURES], now[DK_VOICE_FEATURES];
    uint32_t draw;   // state of xorshift32
    uint32_t phase;  // 2^32 is a pitch period
    int32_t peak;    // magnitude of the largest residual in the last known period
    int32_t since;   // samples since that peak
    int16_t sign;    // of that peak
    int16_t pcm;     // the last sample
} dk_pulse;

// Drop all state and start. `context` holds the Q10 features of frames t - 3 .. t, `past` the PCM
// before frame t.
void dk_pulse_begin(dk_pulse *voice, const int16_t context[DK_VOICE_CONTEXT][DK_VOICE_FEATURES],
                    const int16_t past[DK_VOICE_PAST]);

// Speak frame t, or take its known samples if `known` is not NULL, and move on to t + 1, whose
// features are `ahead`.
void dk_pulse_frame(dk_pulse *voice, const int16_t ahead[DK_VOICE_FEATURES], const int16_t *known,
                    int16_t pcm[DK_VOICE_FRAME]);

// Speak the first `count` samples of frame t, 1 .. DK_VOICE_FRAME. Others may be written, too. The
// voice must then begin again.
void dk_pulse_end(dk_pulse *voice, const int16_t ahead[DK_VOICE_FEATURES], int32_t count,
                  int16_t pcm[DK_VOICE_FRAME]);

#ifdef __cplusplus
}
#endif

#endif
