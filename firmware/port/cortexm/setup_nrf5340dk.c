// SPDX-License-Identifier: BSD-3-Clause
// The setup of an nRF5340 DK, application core, Secure state (nRF5340 Product Specification):
// 128 MHz with the crystal; the cache; UARTE0 on P0.20 and P0.22, the debugger's serial port
// (Zephyr boards/nordic/nrf5340dk/nrf5340_cpuapp_common-pinctrl.dtsi, uart0).
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"
#include "nrf_trim.h"

#define FICR 0x00FF0000u
#define FICR_TRIMCNF (FICR + 0x300u)
#define FICR_PART DK_REG(FICR + 0x130u)
#define FICR_REVISION DK_REG(FICR + 0x134u)
#define UICR_APPROTECT DK_REG(0x00FF8000u)
#define UICR_SECUREAPPROTECT DK_REG(0x00FF801Cu)
#define CTRLAP_APPROTECT_DISABLE DK_REG(0x50006544u)
#define CTRLAP_SECUREAPPROTECT_DISABLE DK_REG(0x5000654Cu)
#define CACHE_ENABLE DK_REG(0x50001500u)
#define CLOCK_HFCLKSTART DK_REG(0x50005000u)
#define CLOCK_HFCLKSTARTED DK_REG(0x50005100u)
#define CLOCK_HFCLKCTRL DK_REG(0x50005558u)
#define P0_OUTSET DK_REG(0x50842508u)
#define P0_DIRSET DK_REG(0x50842518u)
#define P0_PIN_CNF(pin) DK_REG(0x50842700u + 4u * (pin))
#define UARTE_PSEL_TXD DK_REG(DK_BOARD_UART_BASE + 0x50Cu)
#define UARTE_PSEL_RXD DK_REG(DK_BOARD_UART_BASE + 0x514u)

#define TRIM_PAIRS 32u
#define UNDIVIDED 0u
#define INPUT_PULLED_UP (3u << 2)
#define TXD 20u
#define RXD 22u
static_assert(DK_BOARD_CLOCK_HZ == 128000000u, "clock_hz");

// Erratum 160 of the nRF5340, revision 1 and later: values for the regulators and RAM.
static void erratum_160(void)
{
    static const uint32_t values[][2] = {
        {0x5000470Cu, 0x7Eu}, {0x5000493Cu, 0x7Eu}, {0x50002118u, 0x7Fu},
        {0x50039E04u, 0x00u}, {0x50039E08u, 0x00u}, {0x50101110u, 0x00u},
        {0x50002124u, 0x00u}, {0x5000212Cu, 0x00u}, {0x502012A0u, 0x00u},
    };
    if (FICR_PART != 0x07u || FICR_REVISION < 0x05u) {
        return;
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        DK_REG(values[i][0]) = values[i][1];
    }
}

void dk_setup(void)
{
    dk_nrf_trim(FICR_TRIMCNF, TRIM_PAIRS);
    erratum_160();
    // A debugger may come in after the next reset too, if UICR lets it.
    CTRLAP_APPROTECT_DISABLE = UICR_APPROTECT;
    CTRLAP_SECUREAPPROTECT_DISABLE = UICR_SECUREAPPROTECT;
    CLOCK_HFCLKCTRL = UNDIVIDED;
    CLOCK_HFCLKSTART = 1u;
    while (!CLOCK_HFCLKSTARTED) {
    }
    CACHE_ENABLE = 1u;
    P0_OUTSET = 1u << TXD;
    P0_DIRSET = 1u << TXD;
    P0_PIN_CNF(RXD) = INPUT_PULLED_UP;
    UARTE_PSEL_TXD = TXD;
    UARTE_PSEL_RXD = RXD;
}
