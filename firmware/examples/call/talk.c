// SPDX-License-Identifier: BSD-3-Clause
// The near end: encodes 20 ms and adds the redundancy to the packet.
#include "dredkit/dredkit.h"
#include "ends.h"

static dk_sender sender;

int32_t talk_start(void)
{
    const dk_sender_config config = {.codec_delay = codec_delay()};
    return dk_sender_init(&sender, &config);
}

int32_t talk(const int16_t pcm[SAMPLES], packet *to)
{
    static uint8_t payload[DK_PACKET_PAYLOAD_MAX];
    const dk_sender_rate rate = dk_sender_rate_default();
    const bool voice = dk_voice_activity(pcm, SAMPLES);
    to->length = COST(COST_OPUS_ENCODE, codec_encode(pcm, to->bytes, sizeof to->bytes));
    // The sender hears every packet, whatever becomes of it.
    const int32_t heard = COST(COST_SENDER_HEAR, dk_sender_hear(&sender, pcm, SAMPLES, voice));
    if (heard < 0 || to->length < 0) {
        return -1;
    }
    const int32_t bytes =
        COST(COST_SENDER_PAYLOAD, dk_sender_payload(&sender, &rate, payload, sizeof payload));
    if (bytes > 0) {
        to->length =
            COST(COST_PACKET_ADD, dk_packet_add(to->bytes, (size_t)to->length, sizeof to->bytes,
                                                payload, (size_t)bytes, &dk_packet_libopus_1_6));
    }
    return bytes < 0 ? bytes : to->length;
}
