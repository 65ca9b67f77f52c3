// SPDX-License-Identifier: BSD-3-Clause
// Runs resampler and features on noise of changing level, at every input rate, and prints one hash
// of all results. Runs on a host, and on emulated boards by semihosting.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "dsp/resample.h"
#include "features/features.h"

#define BLOCKS 40

static uint32_t hash = 2166136261U;

static void take(const int16_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ (uint16_t)values[i]) * 16777619U;
    }
}

static void noise(int16_t *values, size_t count, int shift)
{
    static uint32_t seed = 1;
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525U + 1013904223U;
        values[i] = (int16_t)((int32_t)seed >> shift);
    }
}

int main(void)
{
    static const uint32_t rates[] = {8000, 12000, 16000, 24000, 48000};
    static dk_features features;
    static dk_resampler resampler;
    static int16_t in[480], pcm[DK_FEATURES_FRAME], phases[DK_PHASES], lags[DK_PITCH_LAGS];
    static int16_t out[DK_FEATURES];
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        dk_features_init(&features);
        (void)dk_resampler_init(&resampler, rates[r]);
        for (int t = 0; t < BLOCKS; t++) {
            noise(in, rates[r] / 100, 16 + t / 4 * 3 % 14);
            dk_resample(&resampler, in, pcm);
            dk_features_analyse(&features, pcm, phases, lags);
            dk_features_finish(&features, lags, 9, DK_FEATURES_FRAC, out);
            take(pcm, DK_FEATURES_FRAME);
            take(phases, DK_PHASES);
            take(lags, DK_PITCH_LAGS);
            take(out, DK_FEATURES);
        }
    }
    printf("%08lx\n", (unsigned long)hash);
    return 0;
}
