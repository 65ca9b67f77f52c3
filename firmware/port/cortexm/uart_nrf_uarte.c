// SPDX-License-Identifier: BSD-3-Clause
// The UARTE of the nRF52, nRF53 and nRF91, with the timer and DPPI of an nRF5340 in the Secure
// state (nRF5340 Product Specification, "Instantiation": TIMER0, DPPIC).
#define UARTE(offset) DK_REG(DK_BOARD_UART_BASE + (offset))
#define TASKS_STARTRX UARTE(0x000u)
#define TASKS_STARTTX UARTE(0x008u)
#define EVENTS_RXDRDY UARTE(0x108u)
#define EVENTS_ENDTX UARTE(0x120u)
#define EVENTS_RXSTARTED UARTE(0x14Cu)
#define PUBLISH_RXDRDY UARTE(0x188u)
#define SHORTS UARTE(0x200u)
#define INTENSET UARTE(0x304u)
#define RX_PTR UARTE(0x534u)
#define RX_MAXCNT UARTE(0x538u)
#define TX_PTR UARTE(0x544u)
#define TX_MAXCNT UARTE(0x548u)
#define INT_RXDRDY (1u << 2)
#define TIMER 0x5000F000u
#define DPPIC 0x50017000u

#include "nrf_uarte.h"
