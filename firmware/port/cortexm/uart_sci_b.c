// SPDX-License-Identifier: BSD-3-Clause
// The driver of the SCI_B of Renesas RA8 as a UART (RA8M1 Group User's Manual: Hardware, R01UH0994,
// chapters "Serial Communications Interface" and "Interrupt Controller Unit"; Renesas' register
// header R7FA8M1AH.h), with its FIFOs of 16 bytes. An interrupt of the core is a slot of the ICU
// that an event was linked to; its flag stays up until it is cleared here.
#include <assert.h>

#include "baud.h"
#include "board.h"
#include "core.h"
#include "drivers.h"

#define RDR DK_REG(DK_BOARD_UART_BASE + 0x00u)
#define TDR DK_REG(DK_BOARD_UART_BASE + 0x04u)
#define CCR0 DK_REG(DK_BOARD_UART_BASE + 0x08u)
#define CCR1 DK_REG(DK_BOARD_UART_BASE + 0x0Cu)
#define CCR2 DK_REG(DK_BOARD_UART_BASE + 0x10u)
#define CCR3 DK_REG(DK_BOARD_UART_BASE + 0x14u)
#define CCR4 DK_REG(DK_BOARD_UART_BASE + 0x18u)
#define FCR DK_REG(DK_BOARD_UART_BASE + 0x24u)
#define CSR DK_REG(DK_BOARD_UART_BASE + 0x48u)
#define FRSR DK_REG(DK_BOARD_UART_BASE + 0x50u)
#define FTSR DK_REG(DK_BOARD_UART_BASE + 0x54u)
#define CFCLR DK_REG(DK_BOARD_UART_BASE + 0x68u)
#define ICU_IELSR DK_REG(0x40006300u + 4u * DK_BOARD_UART_IRQ)

#define CCR0_RE (1u << 0)
#define CCR0_TE (1u << 4)
#define CCR0_RIE (1u << 16)
#define CCR1_IDLE_HIGH (3u << 4)         // SPB2DT, SPB2IO
#define CCR2_RESET 4u                    // BCP, which a UART does not use
#define CCR2_8_PULSES (3u << 4)          // BGDM, ABCS: a bit is 8 clocks of the divider
#define CCR2_NO_MODULATION (255u << 24)  // MDDR while BRME is off
#define CCR3_8_BITS (2u << 8)
#define CCR3_LSB_FIRST (1u << 12)
#define CCR3_FALLING_EDGE (1u << 15)  // RXDESEL: how a start bit is found
#define CCR3_FIFO (1u << 20)
#define FCR_RESET_BOTH ((1u << 15) | (1u << 23))  // TFRST, RFRST
#define FCR_AT_ONE (1u << 16)                     // RTRG: the interrupt comes with the first byte
// The same places in CSR and CFCLR: overrun, parity and framing errors, received data.
#define ERRORS ((1u << 24) | (3u << 27))
#define RDRF (1u << 31)
#define FRSR_COUNT (63u << 8)
#define FTSR_COUNT 63u
#define FIFO_BYTES 16u
#define IELSR_FLAG (1u << 16)
// In units of 8 clocks.
#define DIVISOR ((DK_BOARD_UART_CLOCK_HZ / 8u + DK_BOARD_UART_BAUD / 2u) / DK_BOARD_UART_BAUD)

static_assert(DIVISOR >= 1u && DIVISOR <= 256u, "uart.baud is out of the divisor's range");
static_assert(DK_BAUD_FITS(DK_BOARD_UART_CLOCK_HZ, DK_BOARD_UART_BAUD, 8u * DIVISOR, 1u),
              "uart.baud is off by more than 2 %");

void dk_uart_init(void)
{
    CCR0 = 0;
    CCR1 = CCR1_IDLE_HIGH;
    CCR2 = CCR2_NO_MODULATION | ((DIVISOR - 1u) << 8) | CCR2_8_PULSES | CCR2_RESET;
    CCR3 = CCR3_FIFO | CCR3_FALLING_EDGE | CCR3_LSB_FIRST | CCR3_8_BITS;
    CCR4 = 0;
    FCR = FCR_RESET_BOTH;
    FCR = FCR_AT_ONE;
    CFCLR = ERRORS | RDRF;
    CCR0 = CCR0_RIE | CCR0_TE | CCR0_RE;
}

bool dk_uart_receive(uint8_t *byte)
{
    // Clear before the test: a byte that arrives in between raises the interrupt again. An overrun
    // would stop the reception. The link notices the lost byte.
    ICU_IELSR = ICU_IELSR & ~IELSR_FLAG;
    CFCLR = (CSR & ERRORS) | RDRF;
    if (!(FRSR & FRSR_COUNT)) {
        return false;
    }
    *byte = (uint8_t)RDR;
    return true;
}

bool dk_uart_transmit(uint8_t byte)
{
    if ((FTSR & FTSR_COUNT) >= FIFO_BYTES) {
        return false;
    }
    TDR = byte;
    return true;
}
