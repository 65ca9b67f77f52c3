// SPDX-License-Identifier: BSD-3-Clause
// What the firmware asks of a board. One implementation a board family lies under firmware/port/.
#ifndef DREDKIT_PORT_H
#define DREDKIT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_PORT_BUILD_ID_BYTES 20  // GNU build id: SHA-1 of the linked image

// Start clocks, UART, timer and the receive interrupt. Called once, before anything else here.
void dk_port_init(void);

// A free-running counter that counts up and wraps at 2^32; its rate is in the target's TOML.
uint32_t dk_port_ticks(void);

// Whether those ticks are cycles by the core's own counter, whatever the TOML says of the timer.
bool dk_port_ticks_are_cycles(void);

// Ticks spent in the receive interrupt since start, wrapping: a span of work subtracts what the
// interrupt took out of it.
uint32_t dk_port_isr_ticks(void);

// dk_port_ticks less dk_port_isr_ticks, read as one so that no interrupt falls between the two:
// the difference of two of these is the work done in between, and nothing else.
uint32_t dk_port_work_ticks(void);

// Sleep until something may have been received; returns at once when bytes are waiting.
void dk_port_idle(void);

// Take up to `capacity` received bytes without waiting; returns how many.
size_t dk_port_read(uint8_t *bytes, size_t capacity);

// Bytes that arrived when the receive ring was full and were dropped, since start.
uint32_t dk_port_rx_dropped(void);

// Send all bytes; waits while the transmitter is full.
void dk_port_write(const uint8_t *bytes, size_t count);

// Deepest stack use since start in bytes, from the paint that start-up laid down; 0 if unknown.
uint32_t dk_port_stack_peak(void);

// The image's GNU build id, DK_PORT_BUILD_ID_BYTES long.
const uint8_t *dk_port_build_id(void);

#ifdef __cplusplus
}
#endif

#endif
