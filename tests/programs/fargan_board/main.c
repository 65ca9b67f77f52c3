// SPDX-License-Identifier: BSD-3-Clause
// Runs a FARGAN on features that no speech has, over known samples and on its own, and prints
// one hash of its samples. Runs on a host, and on emulated boards by semihosting.
#include <stddef.h>
#include <stdio.h>

#include "vocoder/fargan.h"

#define FRAMES 8

static uint32_t seed = 1;

static int16_t noise(int shift)
{
    seed = seed * 1664525U + 1013904223U;
    return (int16_t)((int32_t)seed >> shift);
}

int main(void)
{
    static dk_fargan voice;
    static int16_t context[DK_FARGAN_CONTEXT][DK_VOICE_FEATURES], past[DK_FARGAN_PAST];
    static int16_t known[DK_VOICE_FRAME], pcm[DK_VOICE_FRAME];
    uint32_t hash = 2166136261U;
    dk_fargan_begin(&voice, (const int16_t(*)[DK_VOICE_FEATURES])context, past);
    for (int t = 0; t < FRAMES; t++) {
        int16_t ahead[DK_VOICE_FEATURES];
        for (int k = 0; k < DK_VOICE_FEATURES; k++) {
            ahead[k] = noise(18 + t % 3);
        }
        for (int n = 0; n < DK_VOICE_FRAME; n++) {
            known[n] = noise(16 + t);
        }
        dk_fargan_frame(&voice, ahead, t % 4 < 2 ? known : NULL, pcm);
        for (int n = 0; n < DK_VOICE_FRAME; n++) {
            hash = (hash ^ (uint16_t)pcm[n]) * 16777619U;
        }
    }
    printf("%08lx\n", (unsigned long)hash);
    return 0;
}
