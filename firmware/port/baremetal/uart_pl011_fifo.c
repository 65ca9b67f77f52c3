// SPDX-License-Identifier: BSD-3-Clause
// The driver of the PL011 with its FIFOs of 16 or 32 bytes. The interrupt comes with an eighth of
// them, or when no byte has followed for 32 bits.
#define LCRH_FEN (1u << 4)
#define INTERRUPTS ((1u << 4) | (1u << 6))  // receive, receive time-out

#include "uart_pl011.h"
