// SPDX-License-Identifier: BSD-3-Clause
// The core's cycles of this thread in user space, counted by Linux's perf events. Nanoseconds of
// its CPU time where the kernel refuses (/proc/sys/kernel/perf_event_paranoid above 2) or the
// machine has no such counter (an emulator).
#define _GNU_SOURCE  // syscall, clock_gettime

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "posix.h"

static int counter = -1;  // the file that reads as cycles, or -1

static bool read_cycles(uint64_t *cycles)
{
    return read(counter, cycles, sizeof *cycles) == (ssize_t)sizeof *cycles;
}

// A real-time process measures by the clock on the wall, and cycles are all that it lacks.
static void refused(const char *why)
{
    if (dk_posix_is_real_time()) {
        fprintf(stderr, "firmware: perf_event: no cycles: %s\n", why);
    }
}

void dk_timer_init(void)
{
    struct perf_event_attr asked = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof asked,
        .config = PERF_COUNT_HW_CPU_CYCLES,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    uint64_t before = 0;
    uint64_t after = 0;
    counter = (int)syscall(SYS_perf_event_open, &asked, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (counter < 0) {
        refused(strerror(errno));
        return;
    }
    // A virtual machine may have the event and never count.
    if (!read_cycles(&before) || !read_cycles(&after) || after <= before) {
        close(counter);
        counter = -1;
        refused("the machine has the event and does not count");
    }
}

uint32_t dk_timer_now(void)
{
    uint64_t cycles = 0;
    struct timespec now;
    if (counter >= 0 && read_cycles(&cycles)) {
        return (uint32_t)cycles;
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

bool dk_timer_counts_cycles(void)
{
    return counter >= 0;
}
