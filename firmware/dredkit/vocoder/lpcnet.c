// SPDX-License-Identifier: BSD-3-Clause
// LPCNet's frame and sample loops, mu-law coding and the draw from the tree.
#include "vocoder/lpcnet.h"

#include <stddef.h>
#include <string.h>

#include "nn/fixed.h"
#include "nn/nn.h"
#include "vocoder/predict.h"

enum {
    SHORTEST = 32,  // shortest period in samples
    LEAVES = DK_LPCNET_CODES,
    DRAW_BITS = 15,
};

// Run the frame-rate network on a frame and keep its features, which are spoken next.
static void hear(dk_lpcnet *voice, const int16_t features[DK_VOICE_FEATURES])
{
    int16_t input[DK_LPCNET_CONDITION_FEATURES];
    dk_voice_clamp(features, voice->features);
    memcpy(input, voice->features, sizeof voice->features);
    const uint32_t period = (uint32_t)dk_voice_period(input[DK_VOICE_PITCH]) - SHORTEST;
    memcpy(input + DK_VOICE_FEATURES, voice->weights.cells->pitch[period],
           DK_LPCNET_EMBEDDING * sizeof input[0]);
    int16_t *gates_a = voice->work.frame.gates_a, *gates_b = voice->work.frame.gates_b;
    dk_lpcnet_condition_step(voice->weights.condition, &voice->condition,
                             &voice->work.frame.scratch, input, gates_a, gates_b, NULL);
    for (int i = 0; i < 3 * DK_LPCNET_A; i++) {
        voice->gates_a[i] = gates_a[i] * (1 << DK_LPCNET_GATES_SHIFT);
    }
    for (int i = 0; i < 3 * DK_LPCNET_B; i++) {
        voice->gates_b[i] = gates_b[i] * (1 << DK_LPCNET_GATES_SHIFT);
    }
}

void dk_lpcnet_begin(dk_lpcnet *voice, const int16_t context[DK_VOICE_CONTEXT][DK_VOICE_FEATURES],
                     const int16_t past[DK_VOICE_PAST])
{
    dk_lpcnet_weights weights = voice->weights;
#if defined(DK_LPCNET_LINKED)
    if (weights.cells == NULL) {
        weights = (dk_lpcnet_weights){&dk_lpcnet_condition_linked, &dk_lpcnet_linked};
    }
#endif
    memset(voice, 0, sizeof *voice);
    voice->weights = weights;
    dk_lpcnet_condition_reset(&voice->condition);
    voice->random = DK_VOICE_SEED;
    voice->codes[2] = DK_LPCNET_ZERO;
    voice->before = past[DK_VOICE_PAST - 1];
    dk_voice_emphasise(past, DK_VOICE_ORDER, voice->signal);
    for (int k = 0; k < DK_VOICE_CONTEXT; k++) {
        hear(voice, context[k]);
    }
}

// Return the mu-law code of a sample in int16 scale.
static uint8_t encoded(int32_t x)
{
    const int32_t size = x < 0 ? -x : x;
    int32_t steps;
    if (size < DK_LPCNET_NEAR) {
        steps = dk_lpcnet_near[size];
    } else {
        const int32_t inside = size < DK_LPCNET_FARTHEST ? size : DK_LPCNET_FARTHEST;
        steps = dk_lpcnet_far[(inside - DK_LPCNET_NEAR) / DK_LPCNET_FAR_STEP];
        steps -= dk_lpcnet_levels[steps - 1] > inside ? 1 : 0;
    }
    const int32_t code = DK_LPCNET_ZERO + (x < 0 ? -steps : steps);
    return (uint8_t)(code < DK_LPCNET_CODES ? code : DK_LPCNET_CODES - 1);
}

// Advance both GRUs by one sample.
static void advance(dk_lpcnet *voice)
{
    const dk_lpcnet_cells *cells = voice->weights.cells;
    int32_t *sums = voice->work.sample.sums_a, *kept = voice->work.sample.kept_a;
    dk_lpcnet_look_up(cells, voice->codes, voice->gates_a, sums);
    dk_lpcnet_product(&cells->a_gates, voice->x_a, sums);
    dk_lpcnet_copy(cells->a_bias, DK_LPCNET_A, kept);
    dk_lpcnet_product(&cells->a_candidate, voice->x_a, kept);
    dk_lpcnet_update(sums, kept, DK_LPCNET_A, voice->state_a, voice->x_a);

    sums = voice->work.sample.sums_b;
    kept = voice->work.sample.kept_b;
    dk_lpcnet_copy(voice->gates_b, 3 * DK_LPCNET_B, sums);
    dk_lpcnet_product(&cells->b_input, voice->x_a, sums);
    dk_lpcnet_product(&cells->b_gates, voice->x_b, sums);
    dk_lpcnet_copy(cells->b_bias, DK_LPCNET_B, kept);
    dk_lpcnet_product(&cells->b_candidate, voice->x_b, kept);
    dk_lpcnet_update(sums, kept, DK_LPCNET_B, voice->state_b, voice->x_b);
}

// Walk down the tree and return the leaf's code.
static uint8_t drawn(dk_lpcnet *voice)
{
    uint32_t node = 1;
    while (node < LEAVES) {
        int16_t chance = dk_lpcnet_logit(voice->weights.cells, node, voice->state_b);
        dk_sigmoid(&chance, 1);
        const int32_t draw = (int32_t)(dk_xorshift32(&voice->random) >> (32 - DRAW_BITS));
        const int32_t span = (1 << DRAW_BITS) - 2 * DK_LPCNET_TAIL;
        const int32_t needed = DK_LPCNET_TAIL + (draw * span >> DRAW_BITS);
        node = 2 * node + (needed < chance ? 1 : 0);
    }
    return (uint8_t)(node - LEAVES);
}

// Run over the first `count` samples of a frame.
static void run(dk_lpcnet *voice, const int16_t ahead[DK_VOICE_FEATURES], const int16_t *known,
                int32_t count, int16_t pcm[DK_VOICE_FRAME])
{
    int16_t taps[DK_VOICE_ORDER];
    (void)dk_voice_predictor(voice->features, taps);
    hear(voice, ahead);
    int16_t before = voice->before;
    for (int32_t n = 0; n < count; n++) {
        int16_t *past = voice->signal + n;
        const int16_t predicted = dk_voice_predict(taps, past);
        uint8_t *codes = voice->codes;
        codes[0] = encoded(past[DK_VOICE_ORDER - 1]);
        codes[1] = encoded(predicted);
        advance(voice);
        if (known == NULL) {
            codes[2] = drawn(voice);
        } else {
            codes[2] = encoded(dk_voice_emphasised(known[n], before) - predicted);
        }
        const int16_t sample = dk_saturate16(predicted + dk_lpcnet_decoded[codes[2]]);
        past[DK_VOICE_ORDER] = sample;
        if (known == NULL) {
            before = dk_voice_deemphasised(sample, before);
        } else {
            before = known[n];
        }
        pcm[n] = before;
    }
    voice->before = before;
    memcpy(voice->signal, voice->signal + DK_VOICE_FRAME, DK_VOICE_ORDER * sizeof(int16_t));
}

void dk_lpcnet_frame(dk_lpcnet *voice, const int16_t ahead[DK_VOICE_FEATURES], const int16_t *known,
                     int16_t pcm[DK_VOICE_FRAME])
{
    run(voice, ahead, known, DK_VOICE_FRAME, pcm);
}

void dk_lpcnet_end(dk_lpcnet *voice, const int16_t ahead[DK_VOICE_FEATURES], int32_t count,
                   int16_t pcm[DK_VOICE_FRAME])
{
    run(voice, ahead, NULL, count, pcm);
}
