// SPDX-License-Identifier: BSD-3-Clause
// A receiver without a base codec: reads packets.bit and base.pcm, the sound that a base decoder
// made of those packets (mono int16 at 16 kHz, anything where a packet is lost), and writes
// heard.pcm. Packets arrive DELAY steps of 20 ms before they are played, as in a jitter buffer.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "bitfile.h"
#include "dredkit/dredkit.h"

#define SAMPLES 320  // 20 ms
#define UNIT 40      // 2.5 ms
#define PACKET_BYTES 1500
#define DELAY 25

static dk_receiver receiver;
static uint8_t packet[PACKET_BYTES];
static bool arrived[DELAY];  // whether packet n arrived, at n % DELAY

// Packet n has arrived, or not: give the receiver its redundancy if the packet before it is
// missing.
static void arrive(uint32_t n, int32_t bytes)
{
    dk_packet_found found;
    const bool wanted = !arrived[(n + DELAY - 1) % DELAY];
    arrived[n % DELAY] = bytes > 0;
    if (bytes > 0 && wanted &&
        dk_packet_find(packet, (size_t)bytes, dk_packet_framings, 2, &found) > 0) {
        const uint32_t at = n * SAMPLES + found.frame_offset * UNIT;
        (void)dk_receiver_payload(&receiver, at, found.payload, found.bytes);
    }
}

// Play packet n: its own sound, or what the redundancy tells.
static int32_t play(uint32_t n, const int16_t *base, int16_t *out)
{
    (void)dk_receiver_work(&receiver, 1);  // 40 ms of redundancy: twice as fast as needed
    if (arrived[n % DELAY]) {
        return dk_receiver_good(&receiver, base, SAMPLES, out);
    }
    return dk_receiver_lost(&receiver, SAMPLES, out);
}

int main(void)
{
    FILE *packets = fopen("packets.bit", "rb");
    FILE *sound = fopen("base.pcm", "rb");
    FILE *heard = fopen("heard.pcm", "wb");
    if (packets == NULL || sound == NULL || heard == NULL ||
        dk_receiver_init(&receiver, NULL) < 0) {
        return EXIT_FAILURE;
    }
    int16_t pcm[SAMPLES];
    uint32_t sent = 0;
    uint32_t played = 0;
    int32_t bytes;
    while ((bytes = bitfile_read(packets, packet, sizeof packet)) >= 0 || played < sent) {
        if (bytes >= 0) {
            arrive(sent++, bytes);
        }
        if (sent - played == DELAY || bytes < 0) {
            if (fread(pcm, sizeof pcm, 1, sound) != 1 || play(played++, pcm, pcm) < 0) {
                return EXIT_FAILURE;
            }
            (void)fwrite(pcm, sizeof pcm, 1, heard);
        }
    }
    return fclose(heard) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
