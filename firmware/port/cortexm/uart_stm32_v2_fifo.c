// SPDX-License-Identifier: BSD-3-Clause
// The driver of the USART of STM32H7, U5, H5, N6 and G0, with its FIFOs on: each holds 16 bytes (8
// on G0), so an interrupt may come that many bytes late.
#define CR1_FIFOEN (1u << 29)

#include "uart_stm32_v2.h"
