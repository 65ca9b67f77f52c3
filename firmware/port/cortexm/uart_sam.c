// SPDX-License-Identifier: BSD-3-Clause
// The driver of the USART of SAM E70, S70, V70 and V71 (Microchip DS60001527, chapter "Universal
// Synchronous Asynchronous Receiver Transceiver"). It has no FIFO: one byte each way.
#include <assert.h>

#include "baud.h"
#include "board.h"
#include "core.h"
#include "drivers.h"

#define CR DK_REG(DK_BOARD_UART_BASE + 0x00u)  // commands
#define MR DK_REG(DK_BOARD_UART_BASE + 0x04u)
#define IER DK_REG(DK_BOARD_UART_BASE + 0x08u)  // a one enables an interrupt
#define CSR DK_REG(DK_BOARD_UART_BASE + 0x14u)
#define RHR DK_REG(DK_BOARD_UART_BASE + 0x18u)
#define THR DK_REG(DK_BOARD_UART_BASE + 0x1Cu)
#define BRGR DK_REG(DK_BOARD_UART_BASE + 0x20u)

#define CR_RESET_BOTH ((3u << 2) | (1u << 5) | (1u << 7))  // RSTRX, RSTTX, RXDIS, TXDIS
#define CR_ENABLE_BOTH ((1u << 4) | (1u << 6))
#define CR_CLEAR_ERRORS (1u << 8)
#define MR_8_BITS (3u << 6)
#define MR_NO_PARITY (4u << 9)
#define RXRDY (1u << 0)  // CSR, IER
#define CSR_TXRDY (1u << 1)
#define CSR_ERRORS (7u << 5)  // overrun, framing, parity
// clock / (16 * baud), in units of 1/8.
#define DIVISOR ((DK_BOARD_UART_CLOCK_HZ / 2u + DK_BOARD_UART_BAUD / 2u) / DK_BOARD_UART_BAUD)

static_assert(DIVISOR >= 8u && DIVISOR < 8u * 65536u, "uart.baud is out of the divisor's range");
static_assert(DK_BAUD_FITS(DK_BOARD_UART_CLOCK_HZ, DK_BOARD_UART_BAUD, 2u * DIVISOR, 1u),
              "uart.baud is off by more than 2 %");

void dk_uart_init(void)
{
    CR = CR_RESET_BOTH | CR_CLEAR_ERRORS;
    MR = MR_8_BITS | MR_NO_PARITY;  // from the peripheral clock, 16-fold oversampling
    BRGR = (DIVISOR / 8u) | ((DIVISOR % 8u) << 16);
    CR = CR_ENABLE_BOTH;
    IER = RXRDY;
}

bool dk_uart_receive(uint8_t *byte)
{
    uint32_t state = CSR;
    if (state & CSR_ERRORS) {
        CR = CR_CLEAR_ERRORS;  // the link notices the lost byte
    }
    if (!(state & RXRDY)) {
        return false;
    }
    *byte = (uint8_t)RHR;
    return true;
}

bool dk_uart_transmit(uint8_t byte)
{
    if (!(CSR & CSR_TXRDY)) {
        return false;
    }
    THR = byte;
    return true;
}
