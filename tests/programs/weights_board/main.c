// SPDX-License-Identifier: BSD-3-Clause
// Runs a small network and a small LPCNet, with tables from a blob (BLOB) or linked in, on inputs
// that no speech has, and prints one hash of all results. Runs on a host, and on emulated boards by
// semihosting.
#include <stddef.h>
#include <stdio.h>

#include "model_weights.h"
#include "small.h"
#include "vocoder/lpcnet.h"

enum { STEPS = 12, FRAMES = 3 };

static uint32_t seed = 1, hash = 2166136261U;

static int16_t noise(int shift)
{
    seed = seed * 1664525U + 1013904223U;
    return (int16_t)((int32_t)seed >> shift);
}

static void take(const int16_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ (uint16_t)values[i]) * 16777619U;
    }
}

static void run_network(const dk_small_weights *weights)
{
    static dk_small self;
    static dk_small_scratch work;
    dk_small_reset(&self);
    for (int step = 0; step < STEPS; step++) {
        int16_t x[DK_SMALL_FEATURES], a[DK_SMALL_LATENTS], b[DK_SMALL_SIDE];
        for (int i = 0; i < DK_SMALL_FEATURES; i++) {
            x[i] = noise(16 + step % 4);
        }
        dk_small_step(weights, &self, &work, x, a, b, NULL);
        take(a, DK_SMALL_LATENTS);
        take(b, DK_SMALL_SIDE);
    }
}

static void run_voice(dk_lpcnet_weights weights)
{
    static dk_lpcnet voice;
    static int16_t context[DK_VOICE_CONTEXT][DK_VOICE_FEATURES], past[DK_VOICE_PAST];
    static int16_t known[DK_VOICE_FRAME], pcm[DK_VOICE_FRAME];
    voice.weights = weights;
    dk_lpcnet_begin(&voice, (const int16_t(*)[DK_VOICE_FEATURES])context, past);
    for (int frame = 0; frame < FRAMES; frame++) {
        int16_t ahead[DK_VOICE_FEATURES];
        for (int k = 0; k < DK_VOICE_FEATURES; k++) {
            ahead[k] = noise(18 + frame % 3);
        }
        for (int n = 0; n < DK_VOICE_FRAME; n++) {
            known[n] = noise(17);
        }
        dk_lpcnet_frame(&voice, ahead, frame == 0 ? known : NULL, pcm);
        take(pcm, DK_VOICE_FRAME);
    }
}

#if defined(BLOB)

extern const uint8_t blob[];
extern const uint32_t blob_bytes;

int main(void)
{
    static dk_model_weights model;
    const int32_t status = dk_model_open(&model, blob, blob_bytes);
    if (status < 0) {
        printf("refused: %ld\n", (long)status);
        return 1;
    }
    run_network(&model.small);
    run_voice((dk_lpcnet_weights){&model.lpcnet_condition, &model.lpcnet});
    printf("%08lx\n", (unsigned long)hash);
    return 0;
}

#else

int main(void)
{
    run_network(&dk_small_linked);
    run_voice((dk_lpcnet_weights){NULL, NULL});
    printf("%08lx\n", (unsigned long)hash);
    return 0;
}

#endif
