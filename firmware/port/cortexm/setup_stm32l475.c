// SPDX-License-Identifier: BSD-3-Clause
// The setup of a B-L475E-IOT01A (ST RM0351; data sheet DS10969): 80 MHz from the internal 4 MHz
// oscillator MSI; USART1 on PB6 and PB7, the debugger's serial port.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"

#define FLASH_ACR DK_REG(0x40022000u)
#define RCC 0x40021000u
#define RCC_CR DK_REG(RCC + 0x00u)
#define RCC_CFGR DK_REG(RCC + 0x08u)
#define RCC_PLLCFGR DK_REG(RCC + 0x0Cu)
#define RCC_AHB2ENR DK_REG(RCC + 0x4Cu)
#define RCC_APB1ENR1 DK_REG(RCC + 0x58u)
#define RCC_APB2ENR DK_REG(RCC + 0x60u)
#define GPIOB_MODER DK_REG(0x48000400u)
#define GPIOB_AFRL DK_REG(0x48000420u)

#define LATENCY_80_MHZ 4u  // FLASH_ACR in range 1, which reset selects
#define PREFETCH_AND_CACHES (7u << 8)
#define FROM_MSI 1u        // RCC_PLLCFGR
#define R_ON (1u << 24)    // RCC_PLLCFGR; R is 2
#define PLL_ON (1u << 24)  // RCC_CR
#define PLL_READY (1u << 25)
#define SYSTEM_IS_PLL 3u  // RCC_CFGR

#define WAITS 100u  // QEMU has no such register, and the chip takes it at once

#define MSI_HZ 4000000u
#define M 1u
#define N 40u
#define R 2u
static_assert(MSI_HZ / M >= 4000000u && MSI_HZ / M <= 16000000u, "the PLL's input");
static_assert(MSI_HZ / M * N >= 64000000u && MSI_HZ / M * N <= 344000000u, "the PLL's VCO");
static_assert(MSI_HZ / M * N / R == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(DK_BOARD_CLOCK_HZ == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is APB2's");

void dk_setup(void)
{
    FLASH_ACR = LATENCY_80_MHZ | PREFETCH_AND_CACHES;
    for (uint32_t i = 0; i < WAITS && (FLASH_ACR & 7u) != LATENCY_80_MHZ; i++) {
    }
    RCC_PLLCFGR = FROM_MSI | ((M - 1u) << 4) | (N << 8) | ((R / 2u - 1u) << 25) | R_ON;
    RCC_CR |= PLL_ON;
    while (!(RCC_CR & PLL_READY)) {
    }
    RCC_CFGR = SYSTEM_IS_PLL;
    while ((RCC_CFGR >> 2 & 3u) != SYSTEM_IS_PLL) {
    }
    RCC_AHB2ENR |= 1u << 1;   // GPIOB
    RCC_APB1ENR1 |= 1u << 0;  // TIM2
    RCC_APB2ENR |= 1u << 14;  // USART1
    (void)RCC_APB2ENR;        // the clock runs two cycles after the write
    GPIOB_MODER = (GPIOB_MODER & ~(15u << 12)) | (10u << 12);    // PB6, PB7: alternate function
    GPIOB_AFRL = (GPIOB_AFRL & ~(0xFFu << 24)) | (0x77u << 24);  // number 7: USART1
}
