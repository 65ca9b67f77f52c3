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

void dk_heard_init(dk_heard *heard)
{
    memset(heard, 0, sizeof *heard);
    heard->period = DK_MAX_PERIOD;
}

void dk_heard_frame(dk_heard *heard, const int16_t pcm[DK_FEATURES_FRAME], int16_t out[DK_FEATURES])
{
    int16_t *now = heard->lags[heard->frames % 2];
    const int16_t *before = heard->lags[(heard->frames + 1) % 2];
    dk_features_correlate(&heard->features, pcm, now);
    heard->period = (uint16_t)dk_heard_period(now, before, heard->period);
    const int32_t octaves = OCTAVES - (dk_log2(heard->period) >> LOG_TO_OCTAVES);
    dk_features_finish_at(&heard->features, octaves, DK_FEATURES_FRAC, out);
    heard->frames++;
}
