// SPDX-License-Identifier: BSD-3-Clause
// The public receiver: time stamps, and checks of the arguments, around the receiver's core.
// quantize/codec/receiver_clock.py defines it.
#include "codec/receiver_api.h"

#include <assert.h>

#include "dredkit/receiver.h"
#if defined(DK_RDOVAE_DEC_BLOB)
#include "model_weights.h"
#endif

#define READY 0x646b7231u  // marks initialised memory

enum {
    SLOT = DK_RECEIVER_CORE_SAMPLES,  // samples of 10 ms at the output rate
    CALL_MAX = 12,                    // slots of a call
    CHUNKS_MAX = 26,                  // decoded for a slot of a call
};

static_assert(DK_OUTPUT_RATE == DK_RECEIVER_CORE_RATE, "config.h is of another model");
static_assert(sizeof(struct dk_receiver_state) <= sizeof(dk_receiver),
              "DK_RECEIVER_BYTES is too small for this compiler: generate config.h with it");
static_assert(_Alignof(struct dk_receiver_state) <= _Alignof(dk_receiver),
              "dk_receiver is aligned");
static_assert((int)DK_RECEIVER_NORMAL == (int)DK_RECEIVER_CORE_NORMAL &&
                  (int)DK_RECEIVER_RECOVERED == (int)DK_RECEIVER_CORE_RECOVERED &&
                  (int)DK_RECEIVER_DRED == (int)DK_RECEIVER_CORE_DRED &&
                  (int)DK_RECEIVER_PLC == (int)DK_RECEIVER_CORE_PLC &&
                  (int)DK_RECEIVER_FADE == (int)DK_RECEIVER_CORE_FADE &&
                  (int)DK_RECEIVER_CONCEALED == (int)DK_RECEIVER_CORE_CONCEALED,
              "sources have the core's numbers");

// Return the contents of an initialised receiver, or NULL.
static struct dk_receiver_state *state_of(dk_receiver *receiver)
{
    struct dk_receiver_state *state = (struct dk_receiver_state *)(void *)receiver;
    return state != NULL && state->ready == READY ? state : NULL;
}

static const struct dk_receiver_state *contents_of(const dk_receiver *receiver)
{
    const struct dk_receiver_state *state =
        (const struct dk_receiver_state *)(const void *)receiver;
    return state != NULL && state->ready == READY ? state : NULL;
}

static int32_t floor_div(int32_t a, int32_t b)
{
    return a >= 0 ? a / b : -1 - (-1 - a) / b;
}

dk_receiver_config dk_receiver_config_default(void)
{
    const dk_receiver_config config = {
        .over_ms = 20,
        .fade_ms = 15,
        .chunks_a_call = 1,
        .weights = NULL,
    };
    return config;
}

// Start with weights from a blob, or with those linked into the image.
static int32_t start(dk_receiver_core *core, const dk_receiver_config *config)
{
    const dk_receiver_core_config own = {config->over_ms, config->fade_ms};
#if defined(DK_RDOVAE_DEC_BLOB)
    const dk_model_weights *model = (const dk_model_weights *)(const void *)config->weights;
    if (model != NULL && model->tables != NULL) {
        const dk_receiver_weights weights = {
            .redundancy = {model->tables, &model->rdovae_dec_init, &model->rdovae_dec},
#if defined(DK_MODEL_VOICE)
            .voice = DK_MODEL_VOICE(model),
#endif
#if DK_PLC_PREDICTOR
            .predictor = &model->predictor,
#endif
        };
        return dk_receiver_core_init_with(core, &weights, &own);
    }
#endif
#if defined(DK_RDOVAE_DEC_LINKED)
    if (config->weights == NULL) {
        return dk_receiver_core_init(core, &own);
    }
#endif
    return DK_ERR_ARGUMENT;
}

int32_t dk_receiver_init(dk_receiver *receiver, const dk_receiver_config *config)
{
    const dk_receiver_config given = config != NULL ? *config : dk_receiver_config_default();
    if (receiver == NULL || given.chunks_a_call > CHUNKS_MAX) {
        return DK_ERR_ARGUMENT;
    }
    struct dk_receiver_state *state = (struct dk_receiver_state *)(void *)receiver;
    const int32_t error = start(&state->core, &given);
    if (error < 0) {
        return error;
    }
    state->time = 0;
    state->chunks_a_call = given.chunks_a_call;
    state->ready = READY;
    return DK_OK;
}

int32_t dk_receiver_set_time(dk_receiver *receiver, uint32_t timestamp)
{
    struct dk_receiver_state *state = state_of(receiver);
    if (state == NULL) {
        return DK_ERR_ARGUMENT;
    }
    // Half a slot more rounds to the nearest; 64 bits hold it for the largest jump.
    const int64_t moved = (int64_t)(int32_t)(timestamp - state->time) + SLOT / 2;
    const int32_t slots = (int32_t)(moved >= 0 ? moved / SLOT : -1 - (-1 - moved) / SLOT);
    state->time = timestamp;
    if (slots > -DK_TRACK_AHEAD && slots < DK_TRACK_AHEAD) {
        dk_receiver_core_move(&state->core, slots);
    } else {
        dk_receiver_core_forget(&state->core);
    }
    return DK_OK;
}

uint32_t dk_receiver_time(const dk_receiver *receiver)
{
    const struct dk_receiver_state *state = contents_of(receiver);
    return state != NULL ? state->time : 0;
}

int32_t dk_receiver_payload(dk_receiver *receiver, uint32_t timestamp, const uint8_t *payload,
                            size_t bytes)
{
    struct dk_receiver_state *state = state_of(receiver);
    if (state == NULL || payload == NULL) {
        return DK_ERR_ARGUMENT;
    }
    const int32_t ahead = floor_div((int32_t)(timestamp - state->time), DK_RECEIVER_CORE_UP);
    return dk_receiver_core_payload(&state->core, ahead, payload, bytes, NULL);
}

// Decode the share of a call of so many slots: all of it first, since the oldest frames come last.
static void decode_share(struct dk_receiver_state *state, size_t slots)
{
    (void)dk_receiver_core_decode_wanted(&state->core, (unsigned)slots * state->chunks_a_call);
}

static bool is_a_call(size_t samples)
{
    return samples > 0 && samples % SLOT == 0 && samples <= (size_t)CALL_MAX * SLOT;
}

static int32_t take(dk_receiver *receiver, const int16_t *pcm, bool recovered, size_t samples,
                    int16_t *out)
{
    struct dk_receiver_state *state = state_of(receiver);
    if (state == NULL || pcm == NULL || out == NULL || !is_a_call(samples)) {
        return DK_ERR_ARGUMENT;
    }
    if (state->core.speaking) {
        decode_share(state, samples / SLOT);
    }
    for (size_t at = 0; at < samples; at += SLOT) {
        dk_receiver_core_good(&state->core, pcm + at, recovered, out + at);
    }
    state->time += (uint32_t)samples;
    return DK_OK;
}

int32_t dk_receiver_good(dk_receiver *receiver, const int16_t *pcm, size_t samples, int16_t *out)
{
    return take(receiver, pcm, false, samples, out);
}

int32_t dk_receiver_recovered(dk_receiver *receiver, const int16_t *pcm, size_t samples,
                              int16_t *out)
{
    return take(receiver, pcm, true, samples, out);
}

int32_t dk_receiver_lost(dk_receiver *receiver, size_t samples, int16_t *out)
{
    struct dk_receiver_state *state = state_of(receiver);
    if (state == NULL || out == NULL || !is_a_call(samples)) {
        return DK_ERR_ARGUMENT;
    }
    decode_share(state, samples / SLOT);
    for (size_t at = 0; at < samples; at += SLOT) {
        dk_receiver_core_lost(&state->core, out + at);
    }
    state->time += (uint32_t)samples;
    return DK_OK;
}

int32_t dk_receiver_concealed(dk_receiver *receiver, const int16_t *pcm, size_t samples,
                              int16_t *out)
{
    struct dk_receiver_state *state = state_of(receiver);
    if (state == NULL || pcm == NULL || out == NULL || !is_a_call(samples)) {
        return DK_ERR_ARGUMENT;
    }
    decode_share(state, samples / SLOT);
    for (size_t at = 0; at < samples; at += SLOT) {
        dk_receiver_core_concealed(&state->core, pcm + at, out + at);
    }
    state->time += (uint32_t)samples;
    return DK_OK;
}

int32_t dk_receiver_expect_loss(dk_receiver *receiver)
{
    struct dk_receiver_state *state = state_of(receiver);
    if (state == NULL) {
        return DK_ERR_ARGUMENT;
    }
    dk_receiver_core_expect(&state->core, 0);
    return DK_OK;
}

int32_t dk_receiver_expect_loss_at(dk_receiver *receiver, uint32_t timestamp)
{
    struct dk_receiver_state *state = state_of(receiver);
    if (state == NULL) {
        return DK_ERR_ARGUMENT;
    }
    const int32_t ahead = (int32_t)(timestamp - state->time);
    dk_receiver_core_expect(&state->core, ahead > 0 ? (uint32_t)ahead / SLOT : 0);
    return DK_OK;
}

int32_t dk_receiver_work(dk_receiver *receiver, uint32_t budget)
{
    struct dk_receiver_state *state = state_of(receiver);
    return state != NULL ? (int32_t)dk_receiver_core_work(&state->core, budget) : DK_ERR_ARGUMENT;
}

bool dk_receiver_is_speaking(const dk_receiver *receiver)
{
    const struct dk_receiver_state *state = contents_of(receiver);
    return state != NULL && state->core.speaking;
}

dk_receiver_source dk_receiver_last_source(const dk_receiver *receiver)
{
    const struct dk_receiver_state *state = contents_of(receiver);
    return state != NULL ? (dk_receiver_source)state->core.source : DK_RECEIVER_NORMAL;
}
