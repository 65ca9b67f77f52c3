// SPDX-License-Identifier: BSD-3-Clause
// The driver of the PL011 without its FIFOs: one byte each way.
#define LCRH_FEN 0u
#define INTERRUPTS (1u << 4)  // receive

#include "uart_pl011.h"
