// SPDX-License-Identifier: BSD-3-Clause
// What all voices share; quantize/vocoder/synthesis.py is the definition, to the bit. Features are
// int16 Q10 and come from the network: any value may stand anywhere.
#ifndef DREDKIT_VOCODER_SYNTHESIS_H
#define DREDKIT_VOCODER_SYNTHESIS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_VOICE_FRAME 160    // samples at 16 kHz that a feature vector speaks
#define DK_VOICE_FEATURES 20  // 18 cepstral coefficients, pitch, correlation
#define DK_VOICE_CEPSTRUM 18
#define DK_VOICE_PITCH 18
#define DK_VOICE_CORRELATION 19
#define DK_VOICE_CONTEXT 4  // feature frames that a voice begins with
#define DK_VOICE_ORDER 16   // of the predictor
#define DK_VOICE_PAST 17    // samples of PCM that make ORDER samples of signal
#define DK_VOICE_SEED UINT32_C(0x2545F491)
#define DK_VOICE_TAP_FRAC 12
#define DK_VOICE_EMPHASIS 27853  // 0.85, Q15

// Features, each within what a signal can have. `in` and `out` may be the same.
void dk_voice_clamp(const int16_t in[DK_VOICE_FEATURES], int16_t out[DK_VOICE_FEATURES]);

// Base-2 logarithms of the band energies, Q24, -6.7 to 34.
void dk_voice_logs(const int16_t cepstrum[DK_VOICE_CEPSTRUM], int32_t logs[DK_VOICE_CEPSTRUM]);

// Taps, Q12, oldest first. Returns the level: the base-2 logarithm, Q24 and within +-21, of the
// excitation's root mean square in steps of the signal.
int32_t dk_voice_predictor(const int16_t cepstrum[DK_VOICE_CEPSTRUM], int16_t taps[DK_VOICE_ORDER]);

// Period in samples, 32 .. 256.
uint32_t dk_voice_period(int16_t pitch);

// Correlation, 0 .. 32767 for 0 .. 1.
int32_t dk_voice_voicing(int16_t correlation);

// The signal's last samples: pre-emphasised PCM, whole steps, saturated.
void dk_voice_emphasise(const int16_t *pcm, int count, int16_t *signal);

#ifdef __cplusplus
}
#endif

#endif
