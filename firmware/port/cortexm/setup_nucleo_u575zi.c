// SPDX-License-Identifier: BSD-3-Clause
// The setup of a NUCLEO-U575ZI-Q (ST RM0456; data sheet DS13737): 160 MHz from the internal 4 MHz
// oscillator MSIS; the instruction cache; USART1 on PA9 and PA10, the debugger's serial port. The
// chip is as it leaves the factory, without TrustZone (option byte TZEN).
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"
#include "wait.h"

#define FLASH_ACR DK_REG(0x40022000u)
#define ICACHE_CR DK_REG(0x40030400u)
#define ICACHE_SR DK_REG(0x40030404u)
#define PWR_VOSR DK_REG(0x4602080Cu)
#define RCC 0x46020C00u
#define RCC_CR DK_REG(RCC + 0x00u)
#define RCC_CFGR1 DK_REG(RCC + 0x1Cu)
#define RCC_PLL1CFGR DK_REG(RCC + 0x28u)
#define RCC_PLL1DIVR DK_REG(RCC + 0x34u)
#define RCC_AHB2ENR1 DK_REG(RCC + 0x8Cu)
#define RCC_AHB3ENR DK_REG(RCC + 0x94u)
#define RCC_APB2ENR DK_REG(RCC + 0xA4u)
#define GPIOA_MODER DK_REG(0x42020000u)
#define GPIOA_AFRH DK_REG(0x42020024u)

#define RANGE_1 (3u << 16)        // PWR_VOSR
#define BOOSTER_ON (1u << 18)     // PWR_VOSR: needed above 55 MHz, runs from the PLL's input
#define BOOSTER_READY (1u << 14)  // PWR_VOSR
#define VOLTAGE_READY (1u << 15)  // PWR_VOSR
#define LATENCY_160_MHZ 4u        // FLASH_ACR in range 1
#define PREFETCH (1u << 8)        // FLASH_ACR
#define FROM_MSIS 1u              // RCC_PLL1CFGR; input of 4 to 8 MHz
#define R_ON (1u << 18)           // RCC_PLL1CFGR
#define PLL1_ON (1u << 24)        // RCC_CR
#define PLL1_READY (1u << 25)     // RCC_CR
#define SYSTEM_IS_PLL1 3u         // RCC_CFGR1
#define CACHE_BUSY 1u             // ICACHE_SR
#define CACHE_ON 1u               // ICACHE_CR

#define MSIS_HZ 4000000u
#define M 1u
#define N 80u
#define R 2u
static_assert(MSIS_HZ / M >= 4000000u && MSIS_HZ / M <= 8000000u, "the PLL's input");
static_assert(MSIS_HZ / M * N >= 128000000u && MSIS_HZ / M * N <= 544000000u, "the PLL's VCO");
static_assert(MSIS_HZ / M * N / R == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(DK_BOARD_CLOCK_HZ == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is APB2's");

void dk_setup(void)
{
    RCC_AHB3ENR |= 1u << 2;  // PWR
    (void)RCC_AHB3ENR;       // the clock runs two cycles after the write
    PWR_VOSR = RANGE_1;
    dk_wait_for(&PWR_VOSR, VOLTAGE_READY, VOLTAGE_READY);
    RCC_PLL1CFGR = FROM_MSIS | ((M - 1u) << 8) | R_ON;  // the booster's divider stays at 1
    PWR_VOSR = RANGE_1 | BOOSTER_ON;
    dk_wait_for(&PWR_VOSR, BOOSTER_READY, BOOSTER_READY);
    FLASH_ACR = LATENCY_160_MHZ | PREFETCH;
    dk_wait_for(&FLASH_ACR, 0xFu, LATENCY_160_MHZ);
    RCC_PLL1DIVR = (N - 1u) | (1u << 9) | (1u << 16) | ((R - 1u) << 24);
    RCC_CR |= PLL1_ON;
    dk_wait_for(&RCC_CR, PLL1_READY, PLL1_READY);
    RCC_CFGR1 = SYSTEM_IS_PLL1;
    dk_wait_for(&RCC_CFGR1, 3u << 2, SYSTEM_IS_PLL1 << 2);
    dk_wait_for(&ICACHE_SR, CACHE_BUSY, 0);
    ICACHE_CR |= CACHE_ON;
    RCC_AHB2ENR1 |= 1u << 0;  // GPIOA
    RCC_APB2ENR |= 1u << 14;  // USART1
    (void)RCC_APB2ENR;
    GPIOA_MODER = (GPIOA_MODER & ~(15u << 18)) | (10u << 18);  // PA9, PA10: alternate function
    GPIOA_AFRH = (GPIOA_AFRH & ~(0xFFu << 4)) | (0x77u << 4);  // number 7: USART1
}
