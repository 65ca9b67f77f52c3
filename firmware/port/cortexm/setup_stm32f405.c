// SPDX-License-Identifier: BSD-3-Clause
// The setup of an STM32F405 (ST RM0090): 168 MHz from the internal 16 MHz oscillator, whatever
// crystal the board has; USART1 on PA9 and PA10; clocks of USART1 and TIM2.
#include "core.h"
#include "drivers.h"

#define RCC 0x40023800u
#define RCC_CR DK_REG(RCC + 0x00u)
#define RCC_PLLCFGR DK_REG(RCC + 0x04u)
#define RCC_CFGR DK_REG(RCC + 0x08u)
#define RCC_AHB1ENR DK_REG(RCC + 0x30u)
#define RCC_APB1ENR DK_REG(RCC + 0x40u)
#define RCC_APB2ENR DK_REG(RCC + 0x44u)
#define FLASH_ACR DK_REG(0x40023C00u)
#define GPIOA 0x40020000u
#define GPIOA_MODER DK_REG(GPIOA + 0x00u)
#define GPIOA_AFRH DK_REG(GPIOA + 0x24u)

#define PLL_ON (1u << 24)
#define PLL_READY (1u << 25)
#define CLOCK_PLL 2u
// The PLL locks within 300 us (DS8626), 4800 cycles here. The wait is bounded because QEMU models
// no clock control and never reports that the PLL is ready.
#define WAITS 2000u

void dk_setup(void)
{
    // Five wait states, prefetch and both caches: needed above 150 MHz at 3.3 V.
    FLASH_ACR = 5u | (1u << 8) | (1u << 9) | (1u << 10);
    // 16 MHz / M 8 * N 168 / P 2 = 168 MHz; Q 7 gives USB its 48 MHz.
    RCC_PLLCFGR = 8u | (168u << 6) | (0u << 16) | (7u << 24);
    RCC_CR |= PLL_ON;
    for (uint32_t i = 0; i < WAITS && !(RCC_CR & PLL_READY); i++) {
    }
    if (RCC_CR & PLL_READY) {
        // APB1 = HCLK / 4, APB2 = HCLK / 2, then the switch.
        RCC_CFGR = (5u << 10) | (4u << 13) | CLOCK_PLL;
    }
    RCC_AHB1ENR |= 1u << 0;  // GPIOA
    RCC_APB1ENR |= 1u << 0;  // TIM2
    RCC_APB2ENR |= 1u << 4;  // USART1
    (void)RCC_APB2ENR;       // the clock runs two cycles after the write (errata 2.1.13)
    GPIOA_MODER = (GPIOA_MODER & ~(15u << 18)) | (10u << 18);  // PA9, PA10: alternate function
    GPIOA_AFRH = (GPIOA_AFRH & ~(0xFFu << 4)) | (0x77u << 4);  // number 7: USART1
}
