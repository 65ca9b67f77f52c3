// SPDX-License-Identifier: BSD-3-Clause
// The driver of the LPUART of the i.MX RT (NXP IMXRT1060RM, chapter "Low Power Universal
// Asynchronous Receiver/Transmitter"), with its receive FIFO of 4 bytes.
#include <assert.h>

#include "baud.h"
#include "board.h"
#include "core.h"
#include "drivers.h"

#define BAUD DK_REG(DK_BOARD_UART_BASE + 0x10u)
#define STAT DK_REG(DK_BOARD_UART_BASE + 0x14u)
#define CTRL DK_REG(DK_BOARD_UART_BASE + 0x18u)
#define DATA DK_REG(DK_BOARD_UART_BASE + 0x1Cu)
#define FIFO DK_REG(DK_BOARD_UART_BASE + 0x28u)
#define WATER DK_REG(DK_BOARD_UART_BASE + 0x2Cu)

#define BAUD_OSR(samples) ((0u - 1u + (samples)) << 24)
#define STAT_TDRE (1u << 23)
#define STAT_RDRF (1u << 21)
#define STAT_ERRORS (15u << 16)  // overrun, noise, framing, parity; write one to clear
#define STAT_SETTINGS 0x3E000000u
#define CTRL_RE (1u << 18)
#define CTRL_TE (1u << 19)
#define CTRL_RIE (1u << 21)
#define FIFO_RXFE (1u << 3)
#define FIFO_RXFLUSH (1u << 14)
// Fewer samples than 8 would need both edges of the clock.
#define SAMPLES_MIN 8u
#define SAMPLES_MAX 32u
#define DIVISOR_MAX 8191u
// Clock ticks of a bit, in all.
#define TICKS ((DK_BOARD_UART_CLOCK_HZ + DK_BOARD_UART_BAUD / 2u) / DK_BOARD_UART_BAUD)

static_assert(TICKS >= SAMPLES_MIN, "the baud rate is at most an eighth of the clock");
static_assert(DK_BOARD_UART_CLOCK_HZ / DK_BOARD_UART_BAUD <= DIVISOR_MAX,
              "the baud rate is too low for this clock");

// Return the register for the product of samples and divisor that is nearest to clock / baud.
static uint32_t best_rate(void)
{
    uint32_t best = 0;
    uint32_t least = UINT32_MAX;
    for (uint32_t samples = SAMPLES_MAX; samples >= SAMPLES_MIN; samples--) {
        uint32_t a_bit = samples * DK_BOARD_UART_BAUD;
        uint32_t divisor = (DK_BOARD_UART_CLOCK_HZ + a_bit / 2u) / a_bit;
        uint32_t off = DK_BAUD_DISTANCE(divisor * a_bit, DK_BOARD_UART_CLOCK_HZ);
        if (divisor > 0u && off < least) {
            least = off;
            best = BAUD_OSR(samples) | divisor;
        }
    }
    return best;
}

void dk_uart_init(void)
{
    CTRL = 0;
    BAUD = best_rate();
    FIFO = FIFO_RXFE | FIFO_RXFLUSH;
    WATER = 0;  // the interrupt comes with the first byte
    CTRL = CTRL_TE | CTRL_RE | CTRL_RIE;
}

bool dk_uart_receive(uint8_t *byte)
{
    uint32_t state = STAT;
    // After an overrun nothing is received until it is cleared. The link notices the lost byte.
    if (state & STAT_ERRORS) {
        STAT = (state & STAT_SETTINGS) | (state & STAT_ERRORS);
    }
    if (!(state & STAT_RDRF)) {
        return false;
    }
    *byte = (uint8_t)DATA;
    return true;
}

bool dk_uart_transmit(uint8_t byte)
{
    if (!(STAT & STAT_TDRE)) {
        return false;
    }
    DATA = byte;
    return true;
}
