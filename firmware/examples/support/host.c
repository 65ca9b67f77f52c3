// SPDX-License-Identifier: BSD-3-Clause
// A host.
#include <time.h>

#include "board.h"

const char clock_unit[] = "ns";

void clock_start(void)
{
}

uint32_t clock_now(void)
{
    struct timespec now;
    (void)timespec_get(&now, TIME_UTC);
    return (uint32_t)now.tv_sec * 1000000000u + (uint32_t)now.tv_nsec;
}

uint32_t clock_since(uint32_t then)
{
    return clock_now() - then;
}

uint32_t stack_used(void)
{
    return 0;
}
