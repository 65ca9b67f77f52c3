// SPDX-License-Identifier: BSD-3-Clause
// The driver of the USART of newer STM32 (ST RM0433 for H7, RM0456 for U5, RM0481 for H5, RM0486
// for N6, RM0351 for L4; chapter "Universal synchronous/asynchronous receiver transmitter"). The
// file that includes this header defines CR1_FIFOEN, which is 0 for a USART without FIFOs.
#include <assert.h>

#include "baud.h"
#include "board.h"
#include "core.h"
#include "drivers.h"

#define CR1 DK_REG(DK_BOARD_UART_BASE + 0x00u)
#define BRR DK_REG(DK_BOARD_UART_BASE + 0x0Cu)
#define ISR DK_REG(DK_BOARD_UART_BASE + 0x1Cu)
#define ICR DK_REG(DK_BOARD_UART_BASE + 0x20u)
#define RDR DK_REG(DK_BOARD_UART_BASE + 0x24u)
#define TDR DK_REG(DK_BOARD_UART_BASE + 0x28u)

#define CR1_UE (1u << 0)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_RXNEIE (1u << 5)
// The same places in ISR and ICR: parity, framing and noise errors, overrun.
#define ERRORS 0xFu
#define ISR_RXNE (1u << 5)  // with FIFOs: not empty
#define ISR_TXE (1u << 7)   // with FIFOs: not full
// With 16-fold oversampling BRR is just clock / baud, rounded. PRESC stays at 1.
#define DIVISOR ((DK_BOARD_UART_CLOCK_HZ + DK_BOARD_UART_BAUD / 2u) / DK_BOARD_UART_BAUD)

static_assert(DIVISOR >= 16u && DIVISOR < 65536u, "uart.baud is out of the divisor's range");
static_assert(DK_BAUD_FITS(DK_BOARD_UART_CLOCK_HZ, DK_BOARD_UART_BAUD, DIVISOR, 1u),
              "uart.baud is off by more than 2 %");

void dk_uart_init(void)
{
    CR1 = 0;
    BRR = DIVISOR;
    CR1 = CR1_FIFOEN | CR1_TE | CR1_RE | CR1_RXNEIE;
    CR1 = CR1_FIFOEN | CR1_TE | CR1_RE | CR1_RXNEIE | CR1_UE;
}

bool dk_uart_receive(uint8_t *byte)
{
    uint32_t state = ISR;
    // An overrun would cause the interrupt again and again. The link notices the lost byte.
    if (state & ERRORS) {
        ICR = state & ERRORS;
    }
    if (!(state & ISR_RXNE)) {
        return false;
    }
    *byte = (uint8_t)RDR;
    return true;
}

bool dk_uart_transmit(uint8_t byte)
{
    if (!(ISR & ISR_TXE)) {
        return false;
    }
    TDR = byte;
    return true;
}
