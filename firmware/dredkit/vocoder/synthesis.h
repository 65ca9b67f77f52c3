// SPDX-License-Identifier: BSD-3-Clause
// Shared by all voices; quantize/vocoder/synthesis.py defines it to the bit. Features are int16 Q10
// and come from the network, so any feature may have any value.
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
#define DK_VOICE_CONTEXT 4  // feature frames that a voice starts from
#define DK_VOICE_ORDER 16   // of the predictor
#define DK_VOICE_PAST 17    // samples of PCM that make ORDER samples of signal
#define DK_VOICE_SEED UINT32_C(0x2545F491)
#define DK_VOICE_TAP_FRAC 12
#define DK_VOICE_EMPHASIS 27853  // 0.85, Q15

// Clamp each feature to the range that a signal can have. `in` and `out` may be the same array.
void dk_voice_clamp(const int16_t in[DK_VOICE_FEATURES], int16_t out[DK_VOICE_FEATURES]);

// Compute the base-2 logarithms of the band energies, Q24, -6.7 to 34.
void dk_voice_logs(const int16_t cepstrum[DK_VOICE_CEPSTRUM], int32_t logs[DK_VOICE_CEPSTRUM]);

// Compute the predictor's taps, Q12, oldest first. Returns the level: the base-2 logarithm of the
// excitation's root mean square in steps of the signal, Q24 and within +-21.
int32_t dk_voice_predictor(const int16_t cepstrum[DK_VOICE_CEPSTRUM], int16_t taps[DK_VOICE_ORDER]);

// Return the pitch period in samples, 32 .. 256.
uint32_t dk_voice_period(int16_t pitch);

// Return the correlation as 0 .. 32767 for 0 .. 1.
int32_t dk_voice_voicing(int16_t correlation);

// Compute `count` samples of the signal from count + 1 PCM samples: pre-emphasised, rounded and
// saturated.
void dk_voice_emphasise(const int16_t *pcm, int count, int16_t *signal);

#ifdef __cplusplus
}
#endif

#endif
