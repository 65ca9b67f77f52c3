// SPDX-License-Identifier: BSD-3-Clause
// Not a UART: the link runs through the debug probe, which reads and writes memory (rtt.h). The
// board's UART stays off. The probe raises no interrupt, so port.c raises the UART's by software
// while it waits (DK_BOARD_UART_POLLED).
#include "rtt.h"

#include "board.h"
#include "core.h"
#include "drivers.h"

dk_rtt_block dk_rtt;  // the host finds the block by this name in the image, or by its first bytes

static char name[] = "dredkit";  // in RAM, where a probe may read it at any time
static uint8_t up[DK_BOARD_UART_RING_BYTES];
static uint8_t down[DK_BOARD_UART_RING_BYTES];

void dk_uart_init(void)
{
    dk_rtt_ring_init(&dk_rtt.up, name, up, sizeof up);
    dk_rtt_ring_init(&dk_rtt.down, name, down, sizeof down);
    dk_rtt_show(&dk_rtt);
}

bool dk_uart_receive(uint8_t *byte)
{
    return dk_rtt_take(&dk_rtt.down, byte);
}

bool dk_uart_transmit(uint8_t byte)
{
    return dk_rtt_put(&dk_rtt.up, byte);
}
