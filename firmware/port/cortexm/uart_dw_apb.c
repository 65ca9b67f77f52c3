// SPDX-License-Identifier: BSD-3-Clause
// The driver of Synopsys' DW_apb_uart, a 16550 with a fractional divisor, as Alif's Ensemble has
// it: registers of 32 bits, FIFOs of 32 bytes (UART_Type in alifsemi/alif_ensemble-cmsis-dfp
// Device/soc/AE722F80F55D5/include/rtss_hp/soc.h, drivers/include/uart.h).
#include <assert.h>

#include "baud.h"
#include "board.h"
#include "core.h"
#include "drivers.h"

#define DATA DK_REG(DK_BOARD_UART_BASE + 0x00u)  // RBR, THR; while DLAB is set DLL
#define IER DK_REG(DK_BOARD_UART_BASE + 0x04u)   // while DLAB is set DLH
#define FCR DK_REG(DK_BOARD_UART_BASE + 0x08u)
#define LCR DK_REG(DK_BOARD_UART_BASE + 0x0Cu)
#define LSR DK_REG(DK_BOARD_UART_BASE + 0x14u)
#define USR DK_REG(DK_BOARD_UART_BASE + 0x7Cu)
#define DLF DK_REG(DK_BOARD_UART_BASE + 0xC0u)

#define IER_RECEIVED 1u
#define FCR_ON_AND_RESET 7u  // the interrupt comes with the first byte
#define LCR_8_BITS 3u
#define LCR_DLAB (1u << 7)
#define LSR_READY (1u << 0)
#define USR_ROOM (1u << 1)  // the transmit FIFO is not full
// clock / (16 * baud), in units of 1/16.
#define DIVISOR ((DK_BOARD_UART_CLOCK_HZ + DK_BOARD_UART_BAUD / 2u) / DK_BOARD_UART_BAUD)

static_assert(DIVISOR >= 16u && DIVISOR < 16u * 65536u, "uart.baud is out of the divisor's range");
static_assert(DK_BAUD_FITS(DK_BOARD_UART_CLOCK_HZ, DK_BOARD_UART_BAUD, DIVISOR, 1u),
              "uart.baud is off by more than 2 %");

void dk_uart_init(void)
{
    IER = 0;
    FCR = FCR_ON_AND_RESET;
    LCR = LCR_DLAB | LCR_8_BITS;
    DATA = DIVISOR / 16u & 0xFFu;
    IER = DIVISOR / 16u >> 8;
    DLF = DIVISOR % 16u;
    LCR = LCR_8_BITS;
    IER = IER_RECEIVED;
}

bool dk_uart_receive(uint8_t *byte)
{
    // Reading LSR also clears an overrun. The link notices the lost byte.
    if (!(LSR & LSR_READY)) {
        return false;
    }
    *byte = (uint8_t)DATA;
    return true;
}

bool dk_uart_transmit(uint8_t byte)
{
    if (!(USR & USR_ROOM)) {
        return false;
    }
    DATA = byte;
    return true;
}
