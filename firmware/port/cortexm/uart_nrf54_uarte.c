// SPDX-License-Identifier: BSD-3-Clause
// The UARTE of the nRF54L, in the peripheral power domain and the Secure state (nRF54L15 datasheet,
// "Instantiation": TIMER20, DPPIC20; for UARTE20 to 22).
#define UARTE(offset) DK_REG(DK_BOARD_UART_BASE + (offset))
#define TASKS_STARTRX UARTE(0x028u)
#define TASKS_STARTTX UARTE(0x050u)
#define EVENTS_RXDRDY UARTE(0x110u)
#define EVENTS_RXSTARTED UARTE(0x150u)  // DMA.RX.READY
#define EVENTS_ENDTX UARTE(0x168u)      // DMA.TX.END
#define PUBLISH_RXDRDY UARTE(0x190u)
#define SHORTS UARTE(0x200u)
#define INTENSET UARTE(0x304u)
#define RX_PTR UARTE(0x704u)
#define RX_MAXCNT UARTE(0x708u)
#define TX_PTR UARTE(0x73Cu)
#define TX_MAXCNT UARTE(0x740u)
#define INT_RXDRDY (1u << 4)
#define TIMER 0x500CA000u
#define DPPIC 0x500C2000u

#include "nrf_uarte.h"
