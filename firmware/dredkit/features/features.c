// SPDX-License-Identifier: BSD-3-Clause
// The two halves of a frame's features, and the residual's histories between frames.
#include "features/features.h"

#include <assert.h>
#include <string.h>

#include "dsp/filter.h"
#include "dsp/scalar.h"

#define CEPSTRUM_FRAC 20
#define PITCH_FRAC 20
#define CURVE_FRAC 20
#define LOWPASS_FRAC 30
#define BOTH (DK_PCM_PAST + DK_FEATURES_FRAME)  // samples known during a frame
// The pitch path works 80 samples before the frame and reaches back over 17 more taps.
#define STRADDLE (DK_PCM_PAST - DK_FEATURES_FRAME / 2 - DK_RESIDUAL_TAPS + 1)

static_assert(DK_RESIDUAL_TAPS == DK_FILTER_TAPS, "the filter of dsp/filter.h is the residual's");

void dk_features_init(dk_features *features)
{
    memset(features, 0, sizeof *features);
}

// Filter with the second-order low-pass, b0 = b2 = 1: y[n] from x[n], x[n-1], x[n-2], y[n-1],
// y[n-2]. Since x has 31 bits, the sum of five products stays within int64.
static void lowpass(const int32_t *x, int32_t *y)
{
    const int32_t one = 1 << LOWPASS_FRAC, limit = 1 << (LOWPASS_FRAC - 1);
    int32_t x2 = x[-2], x1 = x[-1], y2 = y[-2], y1 = y[-1];
#pragma GCC unroll 4
    for (const int32_t *end = x + DK_FEATURES_FRAME; x < end; x++, y++) {
        int64_t sum = one / 2;
        sum += (int64_t)(*x + x2) * one;
        sum += (int64_t)DK_LOWPASS_B1 * x1;
        sum += (int64_t)-DK_LOWPASS_A1 * y1;
        sum += (int64_t)-DK_LOWPASS_A2 * y2;
        x2 = x1;
        x1 = *x;
        y2 = y1;
        const int32_t upper = (int32_t)(sum >> 32);
        y1 = upper >= -limit && upper < limit ? (int32_t)(sum >> LOWPASS_FRAC)
                                              : (upper < 0 ? INT32_MIN : INT32_MAX);
        *y = y1;
    }
}

// Append a frame's residual to both histories: as e[n] = r[n] + 0.7 r[n-1], and low-passed.
static void push_residual(dk_features *features, const int16_t *x, const int32_t *taps)
{
    int32_t reversed[DK_FILTER_ROOM] = {0};
    for (size_t k = 0; k < DK_RESIDUAL_TAPS; k++) {
        reversed[k] = taps[DK_RESIDUAL_TAPS - 1 - k];
    }
    const size_t kept = DK_MAX_PERIOD * sizeof *features->low;
    memmove(features->excitation, features->excitation + DK_FEATURES_FRAME, kept);
    memmove(features->low, features->low + DK_FEATURES_FRAME, kept);
    int32_t *excitation = features->excitation + DK_MAX_PERIOD;
    int32_t *low = features->low + DK_MAX_PERIOD;
    int32_t r[2 + DK_FEATURES_FRAME] = {features->residual[1], features->residual[0]};
    dk_filter(reversed, x, DK_FEATURES_FRAME, r + 2);
    dk_echo(r + 1, DK_FEATURES_FRAME, DK_EXCITATION_ZERO, excitation);
    lowpass(r + 2, low);
    features->residual[0] = r[DK_FEATURES_FRAME + 1];
    features->residual[1] = r[DK_FEATURES_FRAME];
}

void dk_features_correlate(dk_features *features, const int16_t pcm[DK_FEATURES_FRAME],
                           int16_t lags[DK_PITCH_LAGS])
{
    dk_features_analyse(features, pcm, NULL, lags);
}

void dk_features_analyse(dk_features *features, const int16_t pcm[DK_FEATURES_FRAME],
                         int16_t phases[DK_PHASES], int16_t lags[DK_PITCH_LAGS])
{
    int16_t x[BOTH];
    int32_t logs[DK_CEPSTRUM], taps[DK_RESIDUAL_TAPS];
    memcpy(x, features->pcm, sizeof features->pcm);
    memcpy(x + DK_PCM_PAST, pcm, DK_FEATURES_FRAME * sizeof *pcm);
    memcpy(features->pcm, x + DK_FEATURES_FRAME, sizeof features->pcm);
    dk_features_spectral(features, x, phases, logs);
    dk_features_predictor(logs, taps);
    push_residual(features, x + STRADDLE, taps);
    dk_features_lags(features->excitation, lags);
}

static int16_t narrowed(int32_t value, int from, unsigned frac)
{
    return (int16_t)dk_saturate(dk_rounded(value, from - (int)frac), 16);
}

void dk_features_finish(const dk_features *features, const int16_t *scores, unsigned scores_frac,
                        unsigned frac, int16_t out[DK_FEATURES])
{
    dk_features_finish_at(features, dk_features_pitch(scores, scores_frac), frac, out);
}

void dk_features_finish_at(const dk_features *features, int32_t octaves, unsigned frac,
                           int16_t out[DK_FEATURES])
{
    const int32_t *now = features->low + DK_MAX_PERIOD;
    const int32_t voicing = dk_features_voicing(now, now - dk_features_period(octaves));
    for (size_t i = 0; i < DK_CEPSTRUM; i++) {
        out[i] = narrowed(features->cepstrum[i], CEPSTRUM_FRAC, frac);
    }
    out[DK_CEPSTRUM] = narrowed(octaves - (3 << (PITCH_FRAC - 1)), PITCH_FRAC, frac);
    out[DK_CEPSTRUM + 1] = narrowed(dk_features_voicing_curve(voicing), CURVE_FRAC, frac);
}
