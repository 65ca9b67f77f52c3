// SPDX-License-Identifier: BSD-3-Clause
// The functions that the firmware needs from a board. firmware/port/ has one implementation for
// each family of boards.
#ifndef DREDKIT_PORT_H
#define DREDKIT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_PORT_BUILD_ID_BYTES 20  // GNU build id: SHA-1 of the linked image

// Start clocks, UART, timer and the receive interrupt. Call this once, before any other function
// here.
void dk_port_init(void);

// Return a free-running counter that counts up and wraps at 2^32. The target's TOML gives its rate.
uint32_t dk_port_ticks(void);

// Return whether the ticks are cycles of the core's own counter, whatever the TOML says of the
// timer.
bool dk_port_ticks_are_cycles(void);

// Return the ticks spent in the receive interrupt since start, wrapping. Subtract their increase
// from a span of time to get the work done in it.
uint32_t dk_port_isr_ticks(void);

// Return dk_port_ticks less dk_port_isr_ticks, read without an interrupt between the two. The
// difference of two results is the work done in between, and nothing else.
uint32_t dk_port_work_ticks(void);

// Mark on a pin whether a step is running, for a current recorder. Does nothing on a board whose
// TOML names no pin.
void dk_port_mark(bool running);

// Sleep until something may have been received. Returns at once if bytes are waiting.
void dk_port_idle(void);

// Take up to `capacity` received bytes without waiting. Returns the number of bytes.
size_t dk_port_read(uint8_t *bytes, size_t capacity);

// Return the number of bytes dropped since start because they arrived when the receive ring was
// full.
uint32_t dk_port_rx_dropped(void);

// Send all bytes. Waits while the transmitter is full.
void dk_port_write(const uint8_t *bytes, size_t count);

// Return the deepest stack use since start in bytes, found by the pattern that start-up writes on
// the stack; 0 if unknown.
uint32_t dk_port_stack_peak(void);

// Return the image's GNU build id, DK_PORT_BUILD_ID_BYTES long.
const uint8_t *dk_port_build_id(void);

#ifdef __cplusplus
}
#endif

#endif
