// SPDX-License-Identifier: BSD-3-Clause
// Counts what each part of a call costs, and what each 20 ms cost altogether.
#ifndef EXAMPLES_COST_H
#define EXAMPLES_COST_H

#include <stdint.h>

typedef enum {
    COST_OPUS_ENCODE,
    COST_SENDER_HEAR,
    COST_SENDER_PAYLOAD,
    COST_PACKET_ADD,
    COST_OPUS_DECODE,
    COST_OPUS_DECODE_LBRR,
    COST_OPUS_CONCEAL,
    COST_PACKET_FIND,
    COST_RECEIVER_PAYLOAD,
    COST_RECEIVER_WORK,
    COST_RECEIVER_GOOD,
    COST_RECEIVER_RECOVERED,
    COST_RECEIVER_LOST,
    COST_SENDING,     // 20 ms of all that a sender does
    COST_RECEIVING,   // 20 ms of all that a receiver does: a packet was here,
    COST_RECOVERING,  // or its LBRR,
    COST_IN_A_GAP,    // or nothing
    COST_COUNT
} cost_part;

// Run a call that returns an int32_t, count what it costs, and return its result.
#define COST(part, call) (cost_begin(), cost_end((part), (call)))

void cost_begin(void);
int32_t cost_end(cost_part part, int32_t result);

// Count all that was counted since the last cost_step as one step of this kind.
void cost_step(cost_part kind);

// Print a line for each part: calls, mean and most expensive call.
void cost_print(void);

#endif
