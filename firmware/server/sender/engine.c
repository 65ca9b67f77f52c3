// SPDX-License-Identifier: BSD-3-Clause
// The sender behind the serial server. toolkit/common/wire.toml describes input and output of a
// step (sender_request, sender_answer).
#include "dredkit/engine.h"

#include <assert.h>
#include <string.h>

#include "codec/sender.h"
#include "dredkit_wire.h"
#include "engine_sizes.h"

enum {
    SAMPLES = DK_SENDER_CORE_FRAMES * DK_SENDER_CORE_FRAME,
    UNITS = 8,  // of 2.5 ms: a packet is a step
    PCM_BYTES = 2 * SAMPLES,
    LATENT_BYTES = 2 * DK_DRED_LATENTS,
    STATE_BYTES = 2 * DK_DRED_STATES,
    PAYLOAD_BYTES =
        DK_ENGINE_OUTPUT_BYTES - (int)DK_WIRE_SENDER_ANSWER_BYTES - LATENT_BYTES - STATE_BYTES
};

static_assert(DK_ENGINE_INPUT_BYTES == PCM_BYTES + DK_WIRE_SENDER_REQUEST_BYTES, "input");
static_assert(PAYLOAD_BYTES > 0, "room for a payload");
static_assert(DK_ENGINE_TRACE_BYTES == DK_SENDER_CORE_TRACE_BYTES, "manifest and C agree");

static dk_sender_core sender;

static dk_status reset(void)
{
    return (dk_status)dk_sender_core_init(&sender, DK_DRED_DELAY);
}

static dk_status step(const uint8_t *input, uint8_t *output, uint8_t *trace)
{
    int16_t pcm[SAMPLES];
    memcpy(pcm, input, PCM_BYTES);
    const uint8_t *asked = input + PCM_BYTES;
    const uint8_t *most = asked + DK_WIRE_SENDER_REQUEST_AT_MAX_BYTES;
    const dk_dred_rate rate = {
        .q0 = asked[DK_WIRE_SENDER_REQUEST_AT_Q0],
        .dq = asked[DK_WIRE_SENDER_REQUEST_AT_DQ],
        .qmax = asked[DK_WIRE_SENDER_REQUEST_AT_QMAX],
        .max_chunks = asked[DK_WIRE_SENDER_REQUEST_AT_MAX_CHUNKS],
        .max_bytes = (uint16_t)(most[0] | (most[1] << 8)),
    };
    if (rate.max_bytes > PAYLOAD_BYTES) {
        return DK_ERR_RANGE;
    }
    const bool voice = asked[DK_WIRE_SENDER_REQUEST_AT_VOICE] != 0;
    for (int i = 0; i < DK_SENDER_CORE_FRAMES; i++) {
        trace = dk_sender_core_hear(&sender, pcm + i * DK_SENDER_CORE_FRAME, voice, trace);
    }
    uint8_t *payload = output + DK_WIRE_SENDER_ANSWER_AT_ROOM;
    const int32_t length = dk_sender_core_payload(&sender, &rate, UNITS, payload);
    if (length < 0) {
        return (dk_status)length;
    }
    uint8_t *told = output + DK_WIRE_SENDER_ANSWER_AT_LENGTH;
    told[0] = (uint8_t)(length & 0xFF);
    told[1] = (uint8_t)(length >> 8);
    // Clear what the coder wrote and did not keep, for example where speech had just begun.
    memset(payload + length, 0, PAYLOAD_BYTES - (size_t)length);
    memcpy(payload + PAYLOAD_BYTES, dk_sender_core_latents(&sender), LATENT_BYTES);
    memcpy(payload + PAYLOAD_BYTES + LATENT_BYTES, dk_sender_core_state(&sender), STATE_BYTES);
    return DK_OK;
}

DK_APP_ENGINE(reset, step);
