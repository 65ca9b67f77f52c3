// SPDX-License-Identifier: BSD-3-Clause
// What all voices share; quantize/vocoder/synthesis.py is the definition, to the bit. Features are
// int16 Q10 and come from the network: any value may stand anywhere.
#ifndef DREDKIT_VOCODER_SYNTHESIS_H
#define DREDKIT_VOCODER_SYNTHESIS_H

#include <stdint.h>

#include "dsp/scalar.h"
#include "nn/fixed.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#elif defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#include <string.h>
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

// A sample of the signal from a PCM sample and the one before. 1.85 * 2^30 and a half fit int32.
static inline int16_t dk_voice_emphasised(int16_t sample, int16_t before)
{
    const int32_t exact = sample * (1 << 15) - DK_VOICE_EMPHASIS * before;
    return dk_saturate16((exact + (1 << 14)) >> 15);
}

// The PCM sample of a sample of the signal; `before` is the PCM sample before it.
static inline int16_t dk_voice_deemphasised(int16_t signal, int16_t before)
{
    const int32_t exact = signal * (1 << 15) + DK_VOICE_EMPHASIS * before;
    return dk_saturate16((exact + (1 << 14)) >> 15);
}

#if defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_FEATURE_MVE)
static inline int64_t dk_voice_pair(const int16_t *a, const int16_t *b, int64_t sum)
{
    int16x2_t first, second;
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return __smlald(first, second, sum);
}
#endif

// Sum of taps times past signal, both oldest first: 35 bits at most.
static inline int64_t dk_voice_dot(const int16_t taps[DK_VOICE_ORDER],
                                   const int16_t past[DK_VOICE_ORDER])
{
#if defined(__ARM_FEATURE_MVE)
    const int64_t sum = vmlaldavq_s16(vldrhq_s16(taps), vldrhq_s16(past));
    return vmlaldavaq_s16(sum, vldrhq_s16(taps + 8), vldrhq_s16(past + 8));
#elif defined(__ARM_FEATURE_SIMD32)
    int64_t sum = dk_voice_pair(taps, past, 0);
    sum = dk_voice_pair(taps + 2, past + 2, sum);
    sum = dk_voice_pair(taps + 4, past + 4, sum);
    sum = dk_voice_pair(taps + 6, past + 6, sum);
    sum = dk_voice_pair(taps + 8, past + 8, sum);
    sum = dk_voice_pair(taps + 10, past + 10, sum);
    sum = dk_voice_pair(taps + 12, past + 12, sum);
    return dk_voice_pair(taps + 14, past + 14, sum);
#else
    int64_t sum = 0;
    for (int k = 0; k < DK_VOICE_ORDER; k++) {
        sum += taps[k] * past[k];
    }
    return sum;
#endif
}

// A sample of the signal from a sum Q12 below 2^42.
static inline int16_t dk_voice_sample(int64_t sum)
{
    return dk_saturate16((int32_t)dk_rounded(sum, DK_VOICE_TAP_FRAC));
}

// The predicted sample of the signal.
static inline int16_t dk_voice_predict(const int16_t taps[DK_VOICE_ORDER],
                                       const int16_t past[DK_VOICE_ORDER])
{
    return dk_voice_sample(dk_voice_dot(taps, past));
}

// The next random number, never 0; the state starts with anything but 0.
static inline uint32_t dk_xorshift32(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return x;
}

#endif
