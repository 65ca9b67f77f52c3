// SPDX-License-Identifier: BSD-3-Clause
// The arithmetic of a voice for each sample; quantize/vocoder/synthesis.py defines it to the bit.
// It is not in synthesis.h because a voice's caller includes that header, which therefore depends
// on no instruction set.
#ifndef DREDKIT_VOCODER_PREDICT_H
#define DREDKIT_VOCODER_PREDICT_H

#include <stdint.h>

#include "dsp/scalar.h"
#include "nn/fixed.h"
#include "vocoder/synthesis.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#elif defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#include <string.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Return a sample of the signal from a PCM sample and the PCM sample before it. The sum fits int32:
// it is 1.85 * 2^30 and a half at most.
static inline int16_t dk_voice_emphasised(int16_t sample, int16_t before)
{
    const int32_t exact = sample * (1 << 15) - DK_VOICE_EMPHASIS * before;
    return dk_saturate16((exact + (1 << 14)) >> 15);
}

// Return the PCM sample for a sample of the signal; `before` is the PCM sample before it.
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

// Return the sum of taps times past signal, both oldest first: 35 bits at most.
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

// Round a Q12 sum below 2^42 to a sample of the signal.
static inline int16_t dk_voice_sample(int64_t sum)
{
    return dk_saturate16((int32_t)dk_rounded(sum, DK_VOICE_TAP_FRAC));
}

// Return the predicted sample of the signal.
static inline int16_t dk_voice_predict(const int16_t taps[DK_VOICE_ORDER],
                                       const int16_t past[DK_VOICE_ORDER])
{
    return dk_voice_sample(dk_voice_dot(taps, past));
}

// Return the next random number, never 0. The state starts with any value except 0.
static inline uint32_t dk_xorshift32(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return x;
}

#ifdef __cplusplus
}
#endif

#endif
