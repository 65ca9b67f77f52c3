// SPDX-License-Identifier: BSD-3-Clause
// The driver of the USART of STM32L4 and of others without FIFOs: one byte each way.
#define CR1_FIFOEN 0u  // a reserved bit there

#include "uart_stm32_v2.h"
