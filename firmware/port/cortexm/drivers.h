// SPDX-License-Identifier: BSD-3-Clause
// What a board is made of. board.cmake names one file of each kind, and each defines the
// functions of its kind: setup_<name>.c, uart_<driver>.c and timer_<driver>.c. Constants come from
// board.h. A new board is a TOML file, and at most a driver here.
#ifndef DREDKIT_CORTEXM_DRIVERS_H
#define DREDKIT_CORTEXM_DRIVERS_H

#include <stdbool.h>
#include <stdint.h>

// Bring clocks and pins to what the TOML says. Runs first.
void dk_setup(void);

// Enable transmitter, receiver and the receive interrupt (at the device, not yet at the NVIC).
void dk_uart_init(void);

// Take one received byte; false when there is none. Clears the cause of the interrupt.
bool dk_uart_receive(uint8_t *byte);

// Give one byte to the transmitter; false while it is full.
bool dk_uart_transmit(uint8_t byte);

// Start the counter.
void dk_timer_init(void);

// The counter's low 32 bits.
uint32_t dk_timer_now(void);

// The receive interrupt, in port.c.
void dk_uart_isr(void);

// Any exception that nobody expects, in fault.c.
void dk_fault(void);

#endif
