// SPDX-License-Identifier: BSD-3-Clause
// The driver of the PrimeCell UART PL011 (Arm DDI 0183). The file that includes this header defines
// LCRH_FEN and INTERRUPTS: without FIFOs each byte causes an interrupt. Where CR has the UART's
// clock too, it also defines CR_CLOCK.
#include <assert.h>

#include "baud.h"
#include "board.h"
#include "core.h"

#define DR DK_REG(DK_BOARD_UART_BASE + 0x00u)
#define FR DK_REG(DK_BOARD_UART_BASE + 0x18u)
#define IBRD DK_REG(DK_BOARD_UART_BASE + 0x24u)
#define FBRD DK_REG(DK_BOARD_UART_BASE + 0x28u)
#define LCRH DK_REG(DK_BOARD_UART_BASE + 0x2Cu)
#define CR DK_REG(DK_BOARD_UART_BASE + 0x30u)
#define IFLS DK_REG(DK_BOARD_UART_BASE + 0x34u)
#define IMSC DK_REG(DK_BOARD_UART_BASE + 0x38u)

#ifndef CR_CLOCK
#define CR_CLOCK 0u
#endif
#define FR_RX_EMPTY (1u << 4)
#define FR_TX_FULL (1u << 5)
#define LCRH_8_BITS (3u << 5)
#define CR_ENABLE ((1u << 0) | (1u << 8) | (1u << 9))  // UART, transmitter, receiver
// clock / (16 * baud), in units of 1/64.
#define DIVISOR ((DK_BOARD_UART_CLOCK_HZ * 4u + DK_BOARD_UART_BAUD / 2u) / DK_BOARD_UART_BAUD)

static_assert(DIVISOR >= 64u, "the baud rate is at most a sixteenth of the clock");
static_assert(DIVISOR / 64u < 65536u, "the baud rate is too low for this clock");
static_assert(DK_BAUD_FITS(DK_BOARD_UART_CLOCK_HZ, DK_BOARD_UART_BAUD, DIVISOR, 4u),
              "uart.baud is off by more than 2 %");

void dk_uart_init(void)
{
    CR = CR_CLOCK;
    IBRD = DIVISOR / 64u;
    FBRD = DIVISOR % 64u;
    LCRH = LCRH_8_BITS | LCRH_FEN;  // this write also makes the divisor take effect
    IFLS = 0;                       // the interrupt comes when an eighth of the FIFO is full
    IMSC = INTERRUPTS;
    CR = CR_CLOCK | CR_ENABLE;
}

bool dk_uart_receive(uint8_t *byte)
{
    if (FR & FR_RX_EMPTY) {
        return false;
    }
    *byte = (uint8_t)DR;
    return true;
}

bool dk_uart_transmit(uint8_t byte)
{
    if (FR & FR_TX_FULL) {
        return false;
    }
    DR = byte;
    return true;
}
