// SPDX-License-Identifier: BSD-3-Clause
// The public sender: checks of the arguments around the sender's core.
#include "codec/sender_api.h"

#include <assert.h>

#include "dred/policy.h"
#include "dredkit/sender.h"
#if defined(DK_PITCH_BLOB)
#include "model_weights.h"
#endif

#define READY 0x646b7331u  // marks initialised memory
#define FRAME_UNITS 4      // units of 2.5 ms in 10 ms
#define UNITS_MAX 48
#define UNITS_PER_SECOND 400
#define FRAMING_BYTES 5   // what an extension adds to a packet: FORMAT.md, section 1
#define OVERLAP 40        // samples at 16 kHz: the 2.5 ms of a lookahead that are no delay of DRED
#define HEARD_RATE 16000  // samples a second

static_assert(sizeof(struct dk_sender_state) <= sizeof(dk_sender),
              "DK_SENDER_BYTES is too small for this compiler: generate config.h with it");
static_assert(_Alignof(struct dk_sender_state) <= _Alignof(dk_sender), "dk_sender is aligned");

// Return the contents of an initialised sender, or NULL.
static struct dk_sender_state *state_of(dk_sender *sender)
{
    struct dk_sender_state *state = (struct dk_sender_state *)(void *)sender;
    return state != NULL && state->ready == READY ? state : NULL;
}

dk_sender_config dk_sender_config_default(void)
{
    const dk_sender_config config = {.codec_delay = DK_DRED_DELAY, .weights = NULL};
    return config;
}

uint16_t dk_sender_codec_delay(uint32_t lookahead, uint32_t rate)
{
    const uint64_t samples = rate > 0 ? (uint64_t)lookahead * HEARD_RATE / rate : 0;
    if (samples <= OVERLAP) {
        return 0;
    }
    return (uint16_t)(samples - OVERLAP < DK_DRED_DELAY_MAX ? samples - OVERLAP
                                                            : DK_DRED_DELAY_MAX);
}

// Start with weights from a blob, or with those linked into the image.
static int32_t start(dk_sender_core *core, const struct dk_weights *weights, uint16_t delay)
{
#if defined(DK_PITCH_BLOB)
    const dk_model_weights *model = (const dk_model_weights *)(const void *)weights;
    if (model != NULL && model->tables != NULL) {
        const dk_sender_weights own = {model->tables, &model->pitch, &model->rdovae_enc};
        return dk_sender_core_init_with(core, &own, delay);
    }
#endif
#if defined(DK_PITCH_LINKED)
    if (weights == NULL) {
        return dk_sender_core_init(core, delay);
    }
#endif
    return DK_ERR_ARGUMENT;
}

int32_t dk_sender_init(dk_sender *sender, const dk_sender_config *config)
{
    if (sender == NULL) {
        return DK_ERR_ARGUMENT;
    }
    struct dk_sender_state *state = (struct dk_sender_state *)(void *)sender;
    const dk_sender_config used = config != NULL ? *config : dk_sender_config_default();
    const int32_t error = start(&state->core, used.weights, used.codec_delay);
    if (error < 0) {
        return error;
    }
    state->units = 0;
    state->ready = READY;
    return DK_OK;
}

int32_t dk_sender_hear(dk_sender *sender, const int16_t *pcm, size_t samples, bool voice)
{
    struct dk_sender_state *state = state_of(sender);
    if (state == NULL || pcm == NULL || samples == 0 || samples % DK_SENDER_CORE_FRAME != 0 ||
        samples / DK_SENDER_CORE_FRAME > UNITS_MAX / FRAME_UNITS) {
        return DK_ERR_ARGUMENT;
    }
    for (size_t at = 0; at < samples; at += DK_SENDER_CORE_FRAME) {
        (void)dk_sender_core_hear(&state->core, pcm + at, voice, NULL);
    }
    state->units = (uint8_t)(samples / DK_SENDER_CORE_FRAME * FRAME_UNITS);
    return DK_OK;
}

int32_t dk_sender_payload(dk_sender *sender, const dk_sender_rate *rate, uint8_t *payload,
                          size_t capacity)
{
    struct dk_sender_state *state = state_of(sender);
    if (state == NULL || rate == NULL || payload == NULL || rate->units > UNITS_MAX) {
        return DK_ERR_ARGUMENT;
    }
    const uint8_t units = rate->units > 0 ? rate->units : state->units;
    if (units == 0 || capacity == 0) {
        return 0;
    }
    const dk_dred_rate asked = {
        .q0 = rate->q0,
        .dq = rate->dq,
        .qmax = rate->qmax,
        .max_chunks = rate->max_chunks,
        .max_bytes = (uint16_t)(capacity < DK_DRED_MAX_BYTES ? capacity : DK_DRED_MAX_BYTES),
    };
    return dk_sender_core_payload(&state->core, &asked, units, payload);
}

dk_sender_rate dk_sender_rate_default(void)
{
    const dk_sender_rate rate = {
        .q0 = 6,
        .dq = 5,
        .qmax = 15,
        .max_chunks = DK_DRED_MAX_CHUNKS,
        .units = 0,
    };
    return rate;
}

int32_t dk_sender_policy(const dk_sender_policy_request *request, dk_sender_rate *rate,
                         uint16_t *max_bytes)
{
    if (request == NULL || rate == NULL) {
        return DK_ERR_ARGUMENT;
    }
    const dk_dred_policy_request asked = {
        .bitrate = request->bitrate,
        .loss = request->loss,
        .duration = request->duration,
        .units = request->units,
        .lbrr = request->lbrr,
    };
    dk_dred_rate decided;
    const int32_t share = dk_dred_libopus_policy(&asked, &decided);
    if (share <= 0) {
        return share;
    }
    rate->q0 = decided.q0;
    rate->dq = decided.dq;
    rate->qmax = decided.qmax;
    rate->max_chunks = decided.max_chunks;
    rate->units = request->units;
    if (max_bytes != NULL) {
        const uint32_t bytes = (uint32_t)share * request->units / UNITS_PER_SECOND / 8;
        *max_bytes = (uint16_t)(bytes < FRAMING_BYTES + 1 ? 1 : bytes - FRAMING_BYTES);
    }
    return share;
}
