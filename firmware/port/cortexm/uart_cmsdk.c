// SPDX-License-Identifier: BSD-3-Clause
// The driver of the CMSDK APB UART (Arm DDI 0479, Cortex-M System Design Kit). It has no FIFO: one
// byte each way.
#include <assert.h>

#include "baud.h"
#include "board.h"
#include "core.h"
#include "drivers.h"

#define DATA DK_REG(DK_BOARD_UART_BASE + 0x00u)
#define STATE DK_REG(DK_BOARD_UART_BASE + 0x04u)
#define CTRL DK_REG(DK_BOARD_UART_BASE + 0x08u)
#define INTSTATUS DK_REG(DK_BOARD_UART_BASE + 0x0Cu)  // write one to clear
#define BAUDDIV DK_REG(DK_BOARD_UART_BASE + 0x10u)

#define STATE_TX_FULL (1u << 0)
#define STATE_RX_FULL (1u << 1)
#define CTRL_TX_ENABLE (1u << 0)
#define CTRL_RX_ENABLE (1u << 1)
#define CTRL_RX_INTERRUPT (1u << 3)
#define INT_RX (1u << 1)

#define DIVISOR ((DK_BOARD_UART_CLOCK_HZ + DK_BOARD_UART_BAUD / 2u) / DK_BOARD_UART_BAUD)

static_assert(DIVISOR >= 16u, "BAUDDIV is at least 16");
static_assert(DK_BAUD_FITS(DK_BOARD_UART_CLOCK_HZ, DK_BOARD_UART_BAUD, DIVISOR, 1u),
              "uart.baud is off by more than 2 %");

void dk_uart_init(void)
{
    BAUDDIV = DIVISOR;
    CTRL = CTRL_TX_ENABLE | CTRL_RX_ENABLE | CTRL_RX_INTERRUPT;
    // Drop a stale byte. In QEMU only this read wakes an input that was held back while the
    // receiver was off.
    (void)DATA;
}

bool dk_uart_receive(uint8_t *byte)
{
    // Clear before the test: a byte that arrives in between raises the interrupt again.
    INTSTATUS = INT_RX;
    if (!(STATE & STATE_RX_FULL)) {
        return false;
    }
    *byte = (uint8_t)DATA;
    return true;
}

bool dk_uart_transmit(uint8_t byte)
{
    if (STATE & STATE_TX_FULL) {
        return false;
    }
    DATA = byte;
    return true;
}
