// SPDX-License-Identifier: BSD-3-Clause
// The trace of times for `dredkit bench`. A layer's place in the trace holds the ticks from the
// step's start to the layer's end instead of its values. The layout does not change, and every
// layer has room for at least two values. If a network's first layer has room for four, the ticks
// to its start follow.
#include <string.h>

#include "dredkit/engine.h"
#include "dredkit/port.h"
#include "nn/nn.h"

static uint32_t origin;
static uint32_t start;

void dk_trace_begin(uint32_t ticks)
{
    origin = ticks;
    start = 0;
}

void dk_trace_start(const uint8_t *trace)
{
    if (trace != NULL) {
        start = dk_port_work_ticks() - origin;
    }
}

uint8_t *dk_trace(uint8_t *trace, const int16_t *values, size_t count)
{
    (void)values;
    if (trace == NULL) {
        return NULL;
    }
    const uint32_t ticks = dk_port_work_ticks() - origin;
    memcpy(trace, &ticks, sizeof ticks);
    if (count * sizeof values[0] >= 2 * sizeof ticks) {
        memcpy(trace + sizeof ticks, &start, sizeof start);
    }
    start = 0;
    return trace + count * sizeof values[0];
}
