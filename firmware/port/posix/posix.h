// SPDX-License-Identifier: BSD-3-Clause
// Ways to reach the server as a Linux process: a TCP port, a pseudo terminal, stdin and stdout. And
// its timer: board.cmake names one file timer_<driver>.c.
#ifndef DREDKIT_POSIX_H
#define DREDKIT_POSIX_H

#include <stdbool.h>
#include <stdint.h>

// Listen on 127.0.0.1, or on all addresses, at the TCP port named by `text` (0: any free port).
bool dk_posix_listen(const char *text, bool all_addresses);

// Open a pseudo terminal.
bool dk_posix_open_pty(void);

// Talk over stdin and stdout; the end of stdin ends the process.
void dk_posix_use_stdio(void);

// Ask for a real-time thread: SCHED_FIFO, memory that stays in RAM, and ticks that are nanoseconds
// of the clock on the wall, so that a step also costs the time in which other programs ran. Says on
// stderr what the system refuses, and goes on.
void dk_posix_use_real_time(void);

// Return whether dk_posix_use_real_time was called. Such a process ends with its first host, and
// then tells on stderr how many cycles a step took, if its timer counts them.
bool dk_posix_is_real_time(void);

// Start the timer for the calling thread.
void dk_timer_init(void);

// Return the low 32 bits of what the thread has cost so far. It does not grow while others run.
uint32_t dk_timer_now(void);

// Return whether these are cycles of the core. Otherwise they are nanoseconds.
bool dk_timer_counts_cycles(void);

#endif
