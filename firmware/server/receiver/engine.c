// SPDX-License-Identifier: BSD-3-Clause
// The receiver behind the serial server: one op a step. toolkit/common/wire.toml describes input
// and output (receiver_op, receiver_answer). A refused op is no failed step: its status
// says why.
#include "dredkit/engine.h"

#include <assert.h>
#include <string.h>

#include "codec/receiver.h"
#include "dredkit_wire.h"
#include "engine_sizes.h"

enum {
    SAMPLES = 2 * DK_RECEIVER_CORE_FRAME,
    PCM_BYTES = 2 * SAMPLES,
    FEATURE_BYTES = 2 * DK_RDOVAE_DEC_FEATURES
};

static_assert(DK_ENGINE_INPUT_BYTES == DK_WIRE_RECEIVER_OP_BYTES + PCM_BYTES, "input");
static_assert(DK_ENGINE_OUTPUT_BYTES == DK_WIRE_RECEIVER_ANSWER_BYTES + PCM_BYTES, "output");
static_assert(DK_RECEIVER_CORE_RATE == 16000, "the server plays 16 kHz");
static_assert(DK_ENGINE_TRACE_BYTES == DK_RECEIVER_CORE_TRACE_BYTES, "manifest and C agree");
static_assert(DK_REDUNDANCY_BATCH * FEATURE_BYTES <= PCM_BYTES, "room for the answers");

static const dk_receiver_core_config config = {.over_ms = 20, .fade_ms = 15};
static dk_receiver_core decoder;

static uint16_t word(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (bytes[1] << 8));
}

static void put(uint8_t *to, int32_t value)
{
    to[0] = (uint8_t)((uint32_t)value & 0xFF);
    to[1] = (uint8_t)(((uint32_t)value >> 8) & 0xFF);
}

static uint32_t wide(const uint8_t *bytes)
{
    return word(bytes) | ((uint32_t)word(bytes + 2) << 16);
}

static dk_status reset(void)
{
    return (dk_status)dk_receiver_core_init(&decoder, &config);
}

static int32_t run(const uint8_t *input, uint8_t *values, uint8_t *trace)
{
    int16_t pcm[SAMPLES];
    const uint8_t *body = input + DK_WIRE_RECEIVER_OP_AT_BODY;
    const uint16_t length = word(input + DK_WIRE_RECEIVER_OP_AT_LENGTH);
    const int16_t *features = NULL;
    int32_t count;
    switch (input[DK_WIRE_RECEIVER_OP_AT_KIND]) {
        case DK_WIRE_OP_HEAR:
            memcpy(pcm, body, PCM_BYTES);
            for (size_t at = 0; at < SAMPLES; at += DK_RECEIVER_CORE_FRAME) {
                dk_receiver_core_good(&decoder, pcm + at, false, pcm + at);
            }
            memcpy(values, pcm, PCM_BYTES);
            return DK_OK;
        case DK_WIRE_OP_PAYLOAD:
            return length > PCM_BYTES
                       ? DK_ERR_RANGE
                       : dk_receiver_core_payload(
                             &decoder, (int32_t)wide(input + DK_WIRE_RECEIVER_OP_AT_AHEAD), body,
                             length, trace);
        case DK_WIRE_OP_CHUNKS:
            count = dk_receiver_core_decode(&decoder, input[DK_WIRE_RECEIVER_OP_AT_MOST], &features,
                                            trace);
            if (count > 0) {
                memcpy(values, features, (size_t)count * FEATURE_BYTES);
            }
            return count;
        case DK_WIRE_OP_SPEAK:
            for (size_t at = 0; at < SAMPLES; at += DK_RECEIVER_CORE_FRAME) {
                dk_receiver_core_lost(&decoder, pcm + at);
            }
            memcpy(values, pcm, PCM_BYTES);
            return DK_OK;
        default:
            return DK_ERR_ARGUMENT;
    }
}

static dk_status step(const uint8_t *input, uint8_t *output, uint8_t *trace)
{
    memset(output, 0, DK_ENGINE_OUTPUT_BYTES);
    if (trace != NULL) {
        memset(trace, 0, DK_RECEIVER_CORE_TRACE_BYTES);
    }
    const int32_t status = run(input, output + DK_WIRE_RECEIVER_ANSWER_AT_VALUES, trace);
    put(output + DK_WIRE_RECEIVER_ANSWER_AT_STATUS, status < 0 ? status : DK_OK);
    put(output + DK_WIRE_RECEIVER_ANSWER_AT_CHUNKS, (int32_t)dk_receiver_core_chunks(&decoder));
    put(output + DK_WIRE_RECEIVER_ANSWER_AT_WANTED,
        (int32_t)dk_receiver_core_chunks_wanted(&decoder));
    return DK_OK;
}

DK_APP_ENGINE(reset, step);
