// SPDX-License-Identifier: BSD-3-Clause
// A call behind the serial server, through the public receiver of dredkit/receiver.h: a step takes
// what has come by the time that a packet of 20 ms is played, and gives what is played.
// toolkit/common/wire.toml describes input and output (call_op, call_answer). A refused call of a
// function is no failed step: the answer's status says why.
#include "dredkit/engine.h"

#include <assert.h>
#include <string.h>

#include "codec/receiver_api.h"
#include "dredkit/receiver.h"
#include "dredkit_wire.h"
#include "engine_sizes.h"

enum {
    SAMPLES = DK_OUTPUT_RATE / 50,
    PCM_BYTES = 2 * SAMPLES,
    BODY_BYTES = DK_ENGINE_INPUT_BYTES - DK_WIRE_CALL_OP_BYTES,
    PAYLOAD_MAX = BODY_BYTES - PCM_BYTES,
};

static_assert(PAYLOAD_MAX > 0, "a body has samples, then a payload");
static_assert(DK_ENGINE_OUTPUT_BYTES == DK_WIRE_CALL_ANSWER_BYTES + PCM_BYTES, "output");

// The contents are smaller than dk_receiver, which config.h sizes for any model. The library's
// functions use nothing beyond them.
static struct dk_receiver_state contents;
static dk_receiver *const receiver = (dk_receiver *)(void *)&contents;
static bool started;  // the clock is set

static void put_status(uint8_t *to, int32_t value)
{
    dk_wire_put_u16(to, (uint16_t)((uint32_t)value & 0xFFFFu));
}

static dk_status reset(void)
{
    started = false;
    return (dk_status)dk_receiver_init(receiver, NULL);
}

static int32_t take(const uint8_t *input)
{
    const uint16_t length = dk_wire_get_u16(input + DK_WIRE_CALL_OP_AT_LENGTH);
    if (length == 0) {
        return DK_OK;
    }
    if (length > PAYLOAD_MAX) {
        return DK_ERR_RANGE;
    }
    return dk_receiver_payload(receiver, dk_wire_get_u32(input + DK_WIRE_CALL_OP_AT_TIME),
                               input + DK_WIRE_CALL_OP_AT_BODY + PCM_BYTES, length);
}

static int32_t play(const uint8_t *input, int16_t *out)
{
    int16_t pcm[SAMPLES];
    memcpy(pcm, input + DK_WIRE_CALL_OP_AT_BODY, PCM_BYTES);
    switch (input[DK_WIRE_CALL_OP_AT_KIND]) {
        case DK_WIRE_OP_GOOD:
            return dk_receiver_good(receiver, pcm, SAMPLES, out);
        case DK_WIRE_OP_RECOVERED:
            return dk_receiver_recovered(receiver, pcm, SAMPLES, out);
        case DK_WIRE_OP_LOST:
            return dk_receiver_lost(receiver, SAMPLES, out);
        case DK_WIRE_OP_CONCEALED:
            return dk_receiver_concealed(receiver, pcm, SAMPLES, out);
        case DK_WIRE_OP_NOTHING:
            return DK_OK;
        default:
            return DK_ERR_ARGUMENT;
    }
}

static int32_t work(const uint8_t *input)
{
    const uint32_t packets = input[DK_WIRE_CALL_OP_AT_EXPECT];
    if (packets > 0) {
        const uint32_t now = dk_receiver_time(receiver);
        (void)dk_receiver_expect_loss_at(receiver, now + (packets - 1) * SAMPLES);
    }
    return dk_receiver_work(receiver, input[DK_WIRE_CALL_OP_AT_BUDGET]);
}

// NOLINTNEXTLINE(readability-non-const-parameter): the interface has this type
static dk_status step(const uint8_t *input, uint8_t *output, uint8_t *trace)
{
    int16_t out[SAMPLES] = {0};
    (void)trace;
    if (!started) {
        (void)dk_receiver_set_time(receiver, dk_wire_get_u32(input + DK_WIRE_CALL_OP_AT_CLOCK));
        started = true;
    }
    const int32_t taken = take(input);
    const int32_t played = play(input, out);
    const int32_t wanted = work(input);
    memset(output, 0, DK_ENGINE_OUTPUT_BYTES);
    put_status(output + DK_WIRE_CALL_ANSWER_AT_STATUS, played < 0 ? played : taken);
    put_status(output + DK_WIRE_CALL_ANSWER_AT_WANTED, wanted);
    output[DK_WIRE_CALL_ANSWER_AT_SOURCE] = (uint8_t)dk_receiver_last_source(receiver);
    output[DK_WIRE_CALL_ANSWER_AT_SPEAKING] = dk_receiver_is_speaking(receiver) ? 1 : 0;
    dk_wire_put_u32(output + DK_WIRE_CALL_ANSWER_AT_CLOCK, dk_receiver_time(receiver));
    memcpy(output + DK_WIRE_CALL_ANSWER_AT_VALUES, out, PCM_BYTES);
    return DK_OK;
}

DK_APP_ENGINE(reset, step);
