// SPDX-License-Identifier: BSD-3-Clause
// A call with libopus as base codec, both ends in one program. Reads speech.pcm (mono int16 at
// 16 kHz), sends packets of 20 ms at 24 kb/s with LBRR and our redundancy, loses some (packets.bit
// has the others), and writes what the far end's base decoder makes of them to base.pcm, and what
// the far end plays to heard.pcm. Prints what each part costs.
//
// talk.c is the near end, listen.c the far end, codec.c the base codec.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bitfile.h"
#include "codec.h"
#include "cost.h"
#include "ends.h"

// Which packets of a second are lost: single ones, which LBRR brings back, and longer gaps.
static const char losses[] = "..x.......x....xxx............xxxxxxxxxxxxx.......";

static packet sent;

// Send the next 20 ms; the far end gets them unless they are lost.
static bool send(uint32_t n, const int16_t *pcm, FILE *packets)
{
    if (talk(pcm, &sent) < 0) {
        return false;
    }
    cost_step(COST_SENDING);
    const bool lost = losses[n % (sizeof losses - 1)] == 'x';
    bitfile_write(packets, sent.bytes, lost ? 0 : sent.length);
    if (!lost) {
        listen_arrive(n, &sent);
    }
    return true;
}

static void play(uint32_t n, FILE *sound, FILE *heard)
{
    int16_t base[SAMPLES];
    int16_t out[SAMPLES];
    cost_step(listen_play(n, base, out));
    (void)fwrite(base, sizeof base, 1, sound);
    (void)fwrite(out, sizeof out, 1, heard);
}

int main(void)
{
    FILE *speech = fopen("speech.pcm", "rb");
    FILE *packets = fopen("packets.bit", "wb");
    FILE *sound = fopen("base.pcm", "wb");
    FILE *heard = fopen("heard.pcm", "wb");
    if (speech == NULL || packets == NULL || sound == NULL || heard == NULL ||
        codec_start(CALL_COMPLEXITY) < 0 || talk_start() < 0 || listen_start() < 0) {
        return EXIT_FAILURE;
    }
    int16_t pcm[SAMPLES];
    uint32_t count = 0;
    uint32_t played = 0;
    bool speaking = true;
    while (speaking || played < count) {
        speaking = speaking && fread(pcm, sizeof pcm, 1, speech) == 1;
        if (speaking && !send(count++, pcm, packets)) {
            return EXIT_FAILURE;
        }
        if (count - played == LISTEN_DELAY || (!speaking && played < count)) {
            play(played++, sound, heard);
        }
    }
    cost_print();
    printf("libopus, state %" PRId32 " bytes\n", codec_bytes());
    const int failed = fclose(packets) | fclose(sound) | fclose(heard);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
