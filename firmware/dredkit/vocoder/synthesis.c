// SPDX-License-Identifier: BSD-3-Clause
// What all voices compute from features: predictor, level, period, voicing; and pre-emphasis.
#include "vocoder/synthesis.h"

#include "dsp/lpc.h"
#include "features/features.h"
#include "vocoder/predict.h"

#define ONE (1 << DK_FEATURES_FRAC)
#define C0_LOWEST (-12 * ONE - ONE / 2)  // below the c0 of the quietest signal
#define CK_HIGHEST (22 * ONE)
#define PITCH_HIGHEST (ONE + ONE / 2)
#define CORRELATION_HIGHEST (ONE / 2)

#define DCT_FRAC 30
#define DECADES 1481120313  // log2(10)^2, Q27: the transform's table includes the factor log10 2
#define DECADES_FRAC 27
#define LOG_TOP (34 * (1 << DK_LOG_FRAC))
#define TAP_TOP 32767
#define OCTAVE_FRAC 20        // fractional bits of octaves of pitch
#define CURVE_OCTAVES 118344  // log2(1 + e^5), Q14
#define CURVE_SLOPE 4543      // ln 2 / 5, Q15
#define CORRELATION_TOP 32767

static inline int16_t within(int16_t x, int32_t low, int32_t high)
{
    return (int16_t)(x < low ? low : x > high ? high : x);
}

void dk_voice_clamp(const int16_t in[DK_VOICE_FEATURES], int16_t out[DK_VOICE_FEATURES])
{
    out[0] = within(in[0], C0_LOWEST, INT16_MAX);
    for (int k = 1; k < DK_VOICE_CEPSTRUM; k++) {
        out[k] = within(in[k], -CK_HIGHEST, CK_HIGHEST);
    }
    out[DK_VOICE_PITCH] = within(in[DK_VOICE_PITCH], -PITCH_HIGHEST, PITCH_HIGHEST);
    const int16_t correlation = in[DK_VOICE_CORRELATION];
    out[DK_VOICE_CORRELATION] = within(correlation, -CORRELATION_HIGHEST, CORRELATION_HIGHEST);
}

void dk_voice_logs(const int16_t cepstrum[DK_VOICE_CEPSTRUM], int32_t logs[DK_VOICE_CEPSTRUM])
{
    for (uint32_t n = 0; n < DK_VOICE_CEPSTRUM; n++) {
        int64_t sum = (int64_t)(cepstrum[0] + 4 * ONE) * DK_DCT_FIRST;
        uint32_t angle = 0;  // (2 n + 1) k modulo 72, a whole turn
        for (uint32_t k = 1; k < DK_VOICE_CEPSTRUM; k++) {
            angle += 2 * n + 1;
            angle -= angle >= 4 * DK_VOICE_CEPSTRUM ? 4 * DK_VOICE_CEPSTRUM : 0;
            sum += (int64_t)cepstrum[k] * dk_features_dct[angle];
        }
        // Below 2^30: log10 2 times the decades that a cepstrum of int16 can reach is below 60.
        const int64_t rounded = dk_rounded(sum, DK_FEATURES_FRAC + DCT_FRAC - DK_LOG_FRAC);
        const int64_t log = dk_rounded(rounded * DECADES, DECADES_FRAC);
        logs[n] = (int32_t)(log < DK_LOG_START ? DK_LOG_START : log > LOG_TOP ? LOG_TOP : log);
    }
}

// Negate the Q24 coefficients, narrow them to taps and put the oldest first. Returns 0 if a tap is
// too large, else 1.
static int narrowed(const int32_t lpc[DK_LPC_ORDER], int16_t taps[DK_VOICE_ORDER])
{
    for (int k = 0; k < DK_LPC_ORDER; k++) {
        const int32_t tap = -(int32_t)dk_rounded(lpc[k], DK_LPC_FRAC - DK_VOICE_TAP_FRAC);
        if (dk_magnitude(tap) > TAP_TOP) {
            return 0;
        }
        taps[DK_LPC_ORDER - 1 - k] = (int16_t)tap;
    }
    return 1;
}

// Move the poles inwards by a sixteenth. Even the largest predictor needs this at most 25 times.
static void damp(int32_t lpc[DK_LPC_ORDER])
{
    int32_t factor = 1 << 16;
    for (int k = 0; k < DK_LPC_ORDER; k++) {
        factor = factor * 15 >> 4;
        lpc[k] = (int32_t)dk_rounded((int64_t)lpc[k] * factor, 16);
    }
}

int32_t dk_voice_predictor(const int16_t cepstrum[DK_VOICE_CEPSTRUM], int16_t taps[DK_VOICE_ORDER])
{
    int32_t logs[DK_VOICE_CEPSTRUM], lags[DK_LPC_ORDER + 1], lpc[DK_LPC_ORDER];
    dk_voice_logs(cepstrum, logs);
    const int exponent = dk_features_autocorrelation(logs, lags);
    const int32_t error = dk_levinson(lags, lpc);
    while (!narrowed(lpc, taps)) {
        damp(lpc);
    }
    // For a signal of variance 1, the features' lag 0 is 2.
    return (dk_log2((uint64_t)error) + (exponent - 1) * (1 << DK_LOG_FRAC)) >> 1;
}

uint32_t dk_voice_period(int16_t pitch)
{
    const int32_t octaves = within(pitch, -PITCH_HIGHEST, PITCH_HIGHEST) + PITCH_HIGHEST;
    return dk_features_period(octaves * (1 << (OCTAVE_FRAC - DK_FEATURES_FRAC)));
}

int32_t dk_voice_voicing(int16_t correlation)
{
    const int32_t place =
        within(correlation, -CORRELATION_HIGHEST, CORRELATION_HIGHEST) + CORRELATION_HIGHEST;
    const int32_t power = place * CURVE_OCTAVES;  // log2(1 + e^5c), Q24
    const uint64_t grown = (uint64_t)dk_exp2((uint32_t)power & DK_LOG_MASK)
                           << (power >> DK_LOG_FRAC);
    const uint64_t one = (uint64_t)1 << 30;
    const int32_t log = dk_log2(grown < 2 * one ? one : grown - one) - 30 * (1 << DK_LOG_FRAC);
    const int32_t c = (int32_t)dk_rounded((int64_t)log * CURVE_SLOPE, DK_LOG_FRAC);
    return c < CORRELATION_TOP ? c : CORRELATION_TOP;
}

void dk_voice_emphasise(const int16_t *pcm, int count, int16_t *signal)
{
    for (int n = 0; n < count; n++) {
        signal[n] = dk_voice_emphasised(pcm[n + 1], pcm[n]);
    }
}
