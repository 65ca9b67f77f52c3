// SPDX-License-Identifier: BSD-3-Clause
// The two ends of a call. Each side of a product runs both.
#ifndef EXAMPLES_ENDS_H
#define EXAMPLES_ENDS_H

#include <stdint.h>

#include "codec.h"
#include "cost.h"

#define PACKET_BYTES 1500
#define LISTEN_DELAY 25u  // of the jitter buffer, in packets of 20 ms: longer than a gap

typedef struct {
    uint8_t bytes[PACKET_BYTES];
    int32_t length;
} packet;

// Start the near end.
int32_t talk_start(void);

// Make the packet of the next 20 ms. Returns its length or a negative error.
int32_t talk(const int16_t pcm[SAMPLES], packet *to);

// Start the far end, before packet 0.
int32_t listen_start(void);

// Take packet n, which has just arrived, in any order.
void listen_arrive(uint32_t n, const packet *from);

// Play the 20 ms of packet n; packets are played in order. `base` becomes what the base decoder
// makes of it, `out` what to play. Returns what there was to play from.
cost_part listen_play(uint32_t n, int16_t base[SAMPLES], int16_t out[SAMPLES]);

#endif
