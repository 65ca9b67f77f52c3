// SPDX-License-Identifier: BSD-3-Clause
// Nanoseconds of this thread's CPU time.
#define _GNU_SOURCE  // clock_gettime

#include <time.h>

#include "posix.h"

void dk_timer_init(void)
{
}

uint32_t dk_timer_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

bool dk_timer_counts_cycles(void)
{
    return false;
}
