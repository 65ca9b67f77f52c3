// SPDX-License-Identifier: BSD-3-Clause
// The sender behind the serial server. A step's input is 20 ms of samples, then q0, dQ, qmax and
// the most chunks (a byte each), the payload's budget in bytes (16 bits), the voice decision (a
// byte) and a reserved byte. Its output is the payload's length (16 bits), the payload with zeros
// after it, then latents and initial state, int16 each.
#include "dredkit/engine.h"

#include <assert.h>
#include <string.h>

#include "codec/sender.h"
#include "engine_sizes.h"

enum {
    PCM_BYTES = 2 * DK_ENCODER_SAMPLES,
    RATE_BYTES = 8,
    LENGTH_BYTES = 2,
    LATENT_BYTES = 2 * DK_DRED_LATENTS,
    STATE_BYTES = 2 * DK_DRED_STATES,
    PAYLOAD_BYTES = DK_ENGINE_OUTPUT_BYTES - LENGTH_BYTES - LATENT_BYTES - STATE_BYTES
};

static_assert(DK_ENGINE_INPUT_BYTES == PCM_BYTES + RATE_BYTES, "input as described above");
static_assert(PAYLOAD_BYTES > 0, "room for a payload");
static_assert(DK_ENGINE_TRACE_BYTES == DK_ENCODER_TRACE_BYTES, "manifest and C agree");

static dk_encoder encoder;

static dk_status reset(void)
{
    dk_encoder_init(&encoder);
    return DK_OK;
}

static dk_status step(const uint8_t *input, uint8_t *output, uint8_t *trace)
{
    int16_t pcm[DK_ENCODER_SAMPLES];
    memcpy(pcm, input, PCM_BYTES);
    const uint8_t *asked = input + PCM_BYTES;
    const dk_dred_rate rate = {
        .q0 = asked[0],
        .dq = asked[1],
        .qmax = asked[2],
        .max_chunks = asked[3],
        .max_bytes = (uint16_t)(asked[4] | (asked[5] << 8)),
    };
    if (rate.max_bytes > PAYLOAD_BYTES) {
        return DK_ERR_RANGE;
    }
    const int32_t length =
        dk_encoder_step(&encoder, pcm, asked[6] != 0, &rate, output + LENGTH_BYTES, trace);
    if (length < 0) {
        return (dk_status)length;
    }
    output[0] = (uint8_t)(length & 0xFF);
    output[1] = (uint8_t)(length >> 8);
    // Clear what the coder wrote and did not keep, for example where speech had just begun.
    uint8_t *payload = output + LENGTH_BYTES;
    memset(payload + length, 0, PAYLOAD_BYTES - (size_t)length);
    memcpy(payload + PAYLOAD_BYTES, dk_encoder_latents(&encoder), LATENT_BYTES);
    memcpy(payload + PAYLOAD_BYTES + LATENT_BYTES, dk_encoder_state(&encoder), STATE_BYTES);
    return DK_OK;
}

DK_APP_ENGINE(reset, step);
