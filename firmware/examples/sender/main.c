// SPDX-License-Identifier: BSD-3-Clause
// A sender without a base codec: reads speech.pcm (mono int16 at 16 kHz) and writes packets.bit.
// Each packet of 20 ms holds no sound but the redundancy. `call` has a real base codec.
#include <stdio.h>
#include <stdlib.h>

#include "bitfile.h"
#include "dredkit/dredkit.h"

#define SAMPLES 320  // 20 ms
#define PACKET_BYTES 1500
#define EMPTY_PACKET \
    0x48  // what an Opus packet of SILK, wideband, 20 ms, begins with; DTX if alone

static dk_sender sender;
static uint8_t payload[DK_PACKET_PAYLOAD_MAX];
static uint8_t packet[PACKET_BYTES];

// Make the packet of the next 20 ms. Returns its length, or a negative dk_status.
static int32_t send_packet(const int16_t *pcm)
{
    const dk_sender_rate rate = dk_sender_rate_default();
    int32_t status = dk_sender_hear(&sender, pcm, SAMPLES, dk_voice_activity(pcm, SAMPLES));
    if (status < 0) {
        return status;
    }
    packet[0] = EMPTY_PACKET;
    const int32_t bytes = dk_sender_payload(&sender, &rate, payload, sizeof payload);
    if (bytes <= 0) {
        return bytes < 0 ? bytes : 1;
    }
    return dk_packet_add(packet, 1, sizeof packet, payload, (size_t)bytes, &dk_packet_libopus_1_6);
}

int main(void)
{
    FILE *speech = fopen("speech.pcm", "rb");
    FILE *packets = fopen("packets.bit", "wb");
    if (speech == NULL || packets == NULL || dk_sender_init(&sender, NULL) < 0) {
        return EXIT_FAILURE;
    }
    int16_t pcm[SAMPLES];
    while (fread(pcm, sizeof pcm, 1, speech) == 1) {
        const int32_t bytes = send_packet(pcm);
        if (bytes < 0) {
            return EXIT_FAILURE;
        }
        bitfile_write(packets, packet, bytes);
    }
    return fclose(packets) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
