// SPDX-License-Identifier: BSD-3-Clause
// The driver of the UART of Ambiq's Apollo4 and 5, which is a PL011 with FIFOs of 32 bytes and a
// clock of its own in CR (Zephyr drivers/serial/uart_pl011_registers.h, "vendor-specific fields").
// Here the clock is the 24 MHz of the chip's oscillator HFRC.
#define LCRH_FEN (1u << 4)
#define INTERRUPTS ((1u << 4) | (1u << 6))  // receive, receive time-out
#define CR_CLOCK ((1u << 3) | (1u << 4))    // CLKEN; CLKSEL: 24 MHz

#include "uart_pl011.h"

static_assert(DK_BOARD_UART_CLOCK_HZ == 24000000u, "uart.clock_hz is what CLKSEL selects");
