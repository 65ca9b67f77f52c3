// SPDX-License-Identifier: BSD-3-Clause
// Counts the costs of a call.
#include "cost.h"

#include <inttypes.h>
#include <stdio.h>

#include "board.h"

static const char *const names[COST_COUNT] = {
    [COST_OPUS_ENCODE] = "opus_encode",
    [COST_SENDER_HEAR] = "dk_sender_hear",
    [COST_SENDER_PAYLOAD] = "dk_sender_payload",
    [COST_PACKET_ADD] = "dk_packet_add",
    [COST_OPUS_DECODE] = "opus_decode",
    [COST_OPUS_DECODE_LBRR] = "opus_decode, LBRR",
    [COST_OPUS_CONCEAL] = "opus_decode, nothing",
    [COST_PACKET_FIND] = "dk_packet_find",
    [COST_RECEIVER_PAYLOAD] = "dk_receiver_payload",
    [COST_RECEIVER_WORK] = "dk_receiver_work",
    [COST_RECEIVER_GOOD] = "dk_receiver_good",
    [COST_RECEIVER_RECOVERED] = "dk_receiver_recovered",
    [COST_RECEIVER_LOST] = "dk_receiver_lost",
    [COST_SENDING] = "20 ms sent",
    [COST_RECEIVING] = "20 ms received",
    [COST_RECOVERING] = "20 ms received, LBRR",
    [COST_IN_A_GAP] = "20 ms received, lost",
};

static struct {
    uint32_t calls, most;
    uint64_t sum;
} costs[COST_COUNT];
static uint32_t begun;
static uint32_t step;

static void count(cost_part part, uint32_t cost)
{
    costs[part].calls++;
    costs[part].sum += cost;
    costs[part].most = cost > costs[part].most ? cost : costs[part].most;
}

void cost_begin(void)
{
    begun = clock_now();
}

int32_t cost_end(cost_part part, int32_t result)
{
    const uint32_t cost = clock_since(begun);
    count(part, cost);
    step += cost;
    return result;
}

void cost_step(cost_part kind)
{
    count(kind, step);
    step = 0;
}

void cost_print(void)
{
    printf("%-24s %8s %10s %10s %s\n", "call", "calls", "mean", "most", clock_unit);
    for (int part = 0; part < COST_COUNT; part++) {
        if (costs[part].calls > 0) {
            const uint32_t mean = (uint32_t)(costs[part].sum / costs[part].calls);
            printf("%-24s %8" PRIu32 " %10" PRIu32 " %10" PRIu32 "\n", names[part],
                   costs[part].calls, mean, costs[part].most);
        }
    }
    printf("stack, most %" PRIu32 " bytes\n", stack_used());
}
