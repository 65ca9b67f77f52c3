// SPDX-License-Identifier: BSD-3-Clause
// The driver of the USART of STM32F2 and F4 (ST RM0090).
#include <assert.h>

#include "baud.h"
#include "board.h"
#include "core.h"
#include "drivers.h"

#define SR DK_REG(DK_BOARD_UART_BASE + 0x00u)
#define DR DK_REG(DK_BOARD_UART_BASE + 0x04u)
#define BRR DK_REG(DK_BOARD_UART_BASE + 0x08u)
#define CR1 DK_REG(DK_BOARD_UART_BASE + 0x0Cu)

#define SR_RXNE (1u << 5)
#define SR_TXE (1u << 7)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_RXNEIE (1u << 5)
#define CR1_UE (1u << 13)
// With 16-fold oversampling BRR is just clock / baud, rounded.
#define DIVISOR ((DK_BOARD_UART_CLOCK_HZ + DK_BOARD_UART_BAUD / 2u) / DK_BOARD_UART_BAUD)

static_assert(DIVISOR >= 16u && DIVISOR < 65536u, "uart.baud is out of the divisor's range");
static_assert(DK_BAUD_FITS(DK_BOARD_UART_CLOCK_HZ, DK_BOARD_UART_BAUD, DIVISOR, 1u),
              "uart.baud is off by more than 2 %");

void dk_uart_init(void)
{
    BRR = DIVISOR;
    CR1 = CR1_UE | CR1_TE | CR1_RE | CR1_RXNEIE;
}

bool dk_uart_receive(uint8_t *byte)
{
    // Reading SR and then DR also clears an overrun. The link notices the lost byte.
    if (!(SR & SR_RXNE)) {
        return false;
    }
    *byte = (uint8_t)DR;
    return true;
}

bool dk_uart_transmit(uint8_t byte)
{
    if (!(SR & SR_TXE)) {
        return false;
    }
    DR = byte;
    return true;
}
