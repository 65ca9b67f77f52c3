// SPDX-License-Identifier: BSD-3-Clause
// Runs the untrained voice with noise of changing level as features, where every fourth frame is
// known, and prints one hash of its samples. Runs on a host, and on emulated boards by semihosting.
#include <stdint.h>
#include <stdio.h>

#include "vocoder/pulse.h"

#define FRAMES 60

static uint32_t seed = 1;

static int16_t noise(int shift)
{
    seed = seed * 1664525U + 1013904223U;
    return (int16_t)((int32_t)seed >> shift);
}

int main(void)
{
    static dk_pulse voice;
    static int16_t features[FRAMES + DK_VOICE_CONTEXT][DK_VOICE_FEATURES];
    int16_t past[DK_VOICE_PAST], known[DK_VOICE_FRAME], pcm[DK_VOICE_FRAME];
    uint32_t hash = 2166136261U;
    for (int t = 0; t < FRAMES + DK_VOICE_CONTEXT; t++) {
        for (int i = 0; i < DK_VOICE_FEATURES; i++) {
            features[t][i] = noise(16 + t % 7 + (i > 0 && i < DK_VOICE_CEPSTRUM ? i / 3 : 0));
        }
    }
    for (int i = 0; i < DK_VOICE_PAST; i++) {
        past[i] = noise(18);
    }
    dk_pulse_begin(&voice, (const int16_t(*)[DK_VOICE_FEATURES])features, past);
    for (int t = 0; t < FRAMES; t++) {
        for (int i = 0; i < DK_VOICE_FRAME; i++) {
            known[i] = noise(18);
        }
        dk_pulse_frame(&voice, features[t + DK_VOICE_CONTEXT], t % 4 == 0 ? known : NULL, pcm);
        for (int i = 0; i < DK_VOICE_FRAME; i++) {
            hash = (hash ^ (uint16_t)pcm[i]) * 16777619U;
        }
    }
    printf("%08lx\n", (unsigned long)hash);
    return 0;
}
