// SPDX-License-Identifier: BSD-3-Clause
// The setup of an nRF54L15 DK, application core, Secure state (nRF54L15 datasheet): 128 MHz with
// the crystal; the cache; UARTE20 on P1.04 and P1.05, the debugger's serial port (Zephyr
// boards/nordic/nrf54l15dk/nrf54l15dk_nrf54l_05_10_15-pinctrl.dtsi, uart20).
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"
#include "nrf_trim.h"

#define FICR 0x00FFC000u
#define FICR_TRIMCNF (FICR + 0x400u)
#define FICR_PART DK_REG(FICR + 0x340u)
#define FICR_REVISION DK_REG(FICR + 0x344u)
#define OSCILLATORS_PLL_FREQ DK_REG(0x50120800u)
#define CLOCK_XOSTART DK_REG(0x5010E000u)
#define CLOCK_XOSTARTED DK_REG(0x5010E100u)
#define ICACHE_ENABLE DK_REG(0xE0082404u)
#define TAMPC_DEBUG(n) DK_REG(0x500DC500u + 8u * (n))  // DBGEN, NIDEN, SPIDEN, SPNIDEN
#define P1_OUTSET DK_REG(0x500D8204u)
#define P1_DIRSET DK_REG(0x500D8214u)
#define P1_PIN_CNF(pin) DK_REG(0x500D8280u + 4u * (pin))
#define UARTE_PSEL_TXD DK_REG(DK_BOARD_UART_BASE + 0x604u)
#define UARTE_PSEL_RXD DK_REG(DK_BOARD_UART_BASE + 0x60Cu)

#define TRIM_PAIRS 64u
#define PLL_128_MHZ 1u
#define DEBUG_LOCKED 2u
#define DEBUG_WRITABLE 0x50FA00F0u
#define DEBUG_OPEN 0x50FA0001u
#define INPUT_PULLED_UP (3u << 2)
#define PORT_1 (1u << 5)
#define TXD 4u
#define RXD 5u
static_assert(DK_BOARD_CLOCK_HZ == 128000000u, "clock_hz");

// Errata 31 and 37 of the nRF54L15: the first is of revision 1 alone.
static void errata(void)
{
    DK_REG(0x5005340Cu) = 1u;
    if (FICR_PART == 0x1Cu && FICR_REVISION == 1u) {
        DK_REG(0x50120624u) = 20u | (1u << 5);
        DK_REG(0x5012063Cu) &= ~(1u << 19);
    }
}

// Let a debugger in after the next reset too, as Nordic's own start-up code does.
static void open_debug(void)
{
    for (uint32_t n = 0; n < 4u; n++) {
        if (!(TAMPC_DEBUG(n) & DEBUG_LOCKED)) {
            TAMPC_DEBUG(n) = DEBUG_WRITABLE;
            TAMPC_DEBUG(n) = DEBUG_OPEN;
        }
    }
}

void dk_setup(void)
{
    OSCILLATORS_PLL_FREQ = PLL_128_MHZ;
    errata();
    open_debug();
    dk_nrf_trim(FICR_TRIMCNF, TRIM_PAIRS);
    CLOCK_XOSTART = 1u;
    while (!CLOCK_XOSTARTED) {
    }
    ICACHE_ENABLE = 1u;
    P1_OUTSET = 1u << TXD;
    P1_DIRSET = 1u << TXD;
    P1_PIN_CNF(RXD) = INPUT_PULLED_UP;
    UARTE_PSEL_TXD = PORT_1 | TXD;
    UARTE_PSEL_RXD = PORT_1 | RXD;
}
