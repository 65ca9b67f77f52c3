// SPDX-License-Identifier: BSD-3-Clause
// What a board without an operating system is made of. board.cmake names one file of each kind, in
// the folder of the core's family or in cortexa, which aarch64 and armv7a share, and each defines
// the functions of its kind: setup_<name>.c, uart_<driver>.c and timer_<driver>.c. Constants come
// from board.h. A new board is a TOML file, and at most a driver. A new family also has a core.h, a
// start-up and a fault handler.
#ifndef DREDKIT_BAREMETAL_DRIVERS_H
#define DREDKIT_BAREMETAL_DRIVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DK_REG(address) (*(volatile uint32_t *)(uintptr_t)(address))

// What start-up writes on the unused stack.
#define DK_STACK_PAINT 0xD4EDC0DEu

// core.h, of the core's family, has these:
//   uint32_t dk_core_hold(void)                        hold interrupts back
//   void dk_core_release(uint32_t held)                as they were before
//   void dk_core_sleep(void)                           until an interrupt is pending, held or not
//   void dk_core_enable(uint32_t irq)                  let an interrupt through
//   void dk_core_pend(uint32_t irq, uint32_t mask)     raise those of irq's word of 32 by software
//   bool dk_core_cycles_start(void)                    count cycles; false if the core does not
//   uint32_t dk_core_cycles(void)                      so far, wrapping

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

// A register that says something about a fault.
typedef struct {
    const char *name;
    uintptr_t value;
} dk_fault_word;

// Say what went wrong over the serial line, once, and stand still; in report.c.
_Noreturn void dk_fault_tell(const dk_fault_word *words, size_t count);

#endif
