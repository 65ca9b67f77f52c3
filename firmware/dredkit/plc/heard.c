// SPDX-License-Identifier: BSD-3-Clause
// Finds the pitch in the correlations of the residual, and computes the features with it.
#include "plc/heard.h"

#include <stddef.h>
#include <string.h>

#include "dsp/scalar.h"

#define SHORT 32           // what a lag gains on the next longer one, of two correlations, Q15
#define NEAR 6554          // what a lag within an eighth of the last one gains
#define OCTAVES (8 << 20)  // of the longest period, Q20
#define LOG_TO_OCTAVES (DK_LOG_FRAC - 20)

int32_t dk_heard_period(const int16_t now[DK_PITCH_LAGS], const int16_t before[DK_PITCH_LAGS],
                        int32_t last)
{
    int32_t best = INT32_MIN, period = 0;
    for (int32_t i = 0; i < DK_PITCH_LAGS; i++) {
        const int32_t lag = DK_MAX_PERIOD - i;
        const int32_t away = lag < last ? last - lag : lag - last;
        const int32_t score = now[i] + before[i] + SHORT * i + (8 * away <= last ? NEAR : 0);
        if (score > best) {
            best = score;
            period = lag;
        }
    }
    return period;
}

void dk_heard_features(const int16_t pcm[DK_HEARD_SAMPLES], dk_heard_scratch *work,
                       int16_t out[DK_HEARD_KNOWN][DK_FEATURES])
{
    int32_t period = DK_MAX_PERIOD;
    memset(work, 0, sizeof *work);
    for (size_t t = 0; t < DK_HEARD_RUN_IN + DK_HEARD_KNOWN; t++) {
        int16_t *now = work->lags[t % 2];
        dk_features_correlate(&work->features, pcm + t * DK_FEATURES_FRAME, now);
        period = dk_heard_period(now, work->lags[(t + 1) % 2], period);
        if (t >= DK_HEARD_RUN_IN) {
            const int32_t octaves = OCTAVES - (dk_log2((uint64_t)period) >> LOG_TO_OCTAVES);
            dk_features_finish_at(&work->features, octaves, DK_FEATURES_FRAC,
                                  out[t - DK_HEARD_RUN_IN]);
        }
    }
}
