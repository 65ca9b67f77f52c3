// SPDX-License-Identifier: BSD-3-Clause
// The drivers of a board without an operating system. board.cmake names one file of each kind:
// setup_<name>.c, uart_<driver>.c and timer_<driver>.c, and boot_<name>.c where the chip's boot ROM
// reads a header or a firmware starts the image. A board's own lie beside its TOML. All others lie
// in the folder of the core's family, in cortexa, which aarch64 and armv7a share, or here, where
// any core may use them. Each file defines the functions of its kind. Constants come from board.h.
// A new board needs a TOML file and at most a driver; a new family also needs a core.h, a start-up
// and a fault handler.
#ifndef DREDKIT_BAREMETAL_DRIVERS_H
#define DREDKIT_BAREMETAL_DRIVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Tests on a host put a model of the device in place of its registers.
#ifndef DK_REG
#define DK_REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
#endif

// The pattern that start-up writes on the unused stack.
#define DK_STACK_PAINT 0xD4EDC0DEu

// core.h of the core's family defines these functions:
//   uint32_t dk_core_hold(void)                     hold interrupts back
//   void dk_core_release(uint32_t held)             restore interrupts as they were before
//   void dk_core_sleep(void)                        sleep until an interrupt is pending, even held
//   void dk_core_enable(uint32_t irq)               let an interrupt through
//   void dk_core_pend(uint32_t irq, uint32_t mask)  raise by software the interrupts of `mask` in
//                                                   irq's word of 32
//   bool dk_core_cycles_start(void)                 start counting cycles; false if the core cannot
//   uint32_t dk_core_cycles(void)                   return the cycles so far, wrapping
//   bool dk_core_timer_is_cycles(void)              whether the timer counts the cycles, too

// Set clocks and pins as the TOML says. Runs first.
void dk_setup(void);

// Enable transmitter, receiver and the receive interrupt (at the device; dk_core_enable enables it
// at the interrupt controller). A device without an interrupt is looked at while the board waits:
// board.h then defines DK_BOARD_UART_POLLED.
void dk_uart_init(void);

// Take one received byte. Returns false if there is none. Clears the cause of the interrupt.
bool dk_uart_receive(uint8_t *byte);

// Give one byte to the transmitter. Returns false while it is full.
bool dk_uart_transmit(uint8_t byte);

// Start the counter.
void dk_timer_init(void);

// Return the counter's low 32 bits.
uint32_t dk_timer_now(void);

// The receive interrupt, in port.c.
void dk_uart_isr(void);

// A register that describes a fault.
typedef struct {
    const char *name;
    uintptr_t value;
} dk_fault_word;

// Report a fault over the serial line, once, and stop; in report.c.
_Noreturn void dk_fault_tell(const dk_fault_word *words, size_t count);

#endif
