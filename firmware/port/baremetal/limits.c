// SPDX-License-Identifier: BSD-3-Clause
// Checks that the board's TOML fits the server.
#include "dredkit/server.h"

#include <assert.h>

#include "board.h"

static_assert(DK_BOARD_UART_RING_BYTES >= DK_SERVER_RX_RING_BYTES,
              "uart.ring_bytes is less than the host may have under way");
