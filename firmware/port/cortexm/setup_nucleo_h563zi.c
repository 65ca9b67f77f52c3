// SPDX-License-Identifier: BSD-3-Clause
// The setup of a NUCLEO-H563ZI (ST RM0481; data sheet DS14258): 250 MHz from the internal 64 MHz
// oscillator, which reset divides by 2; the instruction cache; USART3 on PD8 and PD9, the
// debugger's serial port. The chip is as it leaves the factory, without TrustZone.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"
#include "wait.h"

#define FLASH_ACR DK_REG(0x40022000u)
#define ICACHE_CR DK_REG(0x40030400u)
#define ICACHE_SR DK_REG(0x40030404u)
#define PWR_VOSCR DK_REG(0x44020810u)
#define PWR_VOSSR DK_REG(0x44020814u)
#define RCC 0x44020C00u
#define RCC_CR DK_REG(RCC + 0x00u)
#define RCC_CFGR1 DK_REG(RCC + 0x1Cu)
#define RCC_PLL1CFGR DK_REG(RCC + 0x28u)
#define RCC_PLL1DIVR DK_REG(RCC + 0x34u)
#define RCC_AHB2ENR DK_REG(RCC + 0x8Cu)
#define RCC_APB1LENR DK_REG(RCC + 0x9Cu)
#define GPIOD_MODER DK_REG(0x42020C00u)
#define GPIOD_AFRH DK_REG(0x42020C24u)

#define VOS_0 (3u << 4)             // PWR_VOSCR
#define VOLTAGE_READY (1u << 3)     // PWR_VOSSR
#define LATENCY_250_MHZ 0x25u       // FLASH_ACR in VOS0: 5 wait states, WRHIGHFREQ 2
#define PREFETCH (1u << 8)          // FLASH_ACR
#define FROM_HSI 1u                 // RCC_PLL1CFGR; a wide VCO
#define INPUT_4_TO_8_MHZ (2u << 2)  // RCC_PLL1CFGR
#define P_ON (1u << 16)             // RCC_PLL1CFGR
#define PLL1_ON (1u << 24)          // RCC_CR
#define PLL1_READY (1u << 25)       // RCC_CR
#define SYSTEM_IS_PLL1 3u           // RCC_CFGR1
#define CACHE_BUSY 1u               // ICACHE_SR
#define CACHE_ON 1u                 // ICACHE_CR

#define HSI_HZ 32000000u
#define M 8u
#define N 125u
#define P 2u
static_assert(HSI_HZ / M >= 4000000u && HSI_HZ / M <= 8000000u, "the PLL's input");
static_assert(HSI_HZ / M * N >= 192000000u && HSI_HZ / M * N <= 836000000u, "the PLL's VCO");
static_assert(HSI_HZ / M * N / P == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(DK_BOARD_CLOCK_HZ == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is APB1's");

void dk_setup(void)
{
    PWR_VOSCR = VOS_0;
    dk_wait_for(&PWR_VOSSR, VOLTAGE_READY, VOLTAGE_READY);
    FLASH_ACR = LATENCY_250_MHZ | PREFETCH;
    dk_wait_for(&FLASH_ACR, 0xFu, LATENCY_250_MHZ & 0xFu);
    RCC_PLL1CFGR = FROM_HSI | INPUT_4_TO_8_MHZ | (M << 8) | P_ON;
    RCC_PLL1DIVR = (N - 1u) | ((P - 1u) << 9) | (1u << 16) | (1u << 24);
    RCC_CR |= PLL1_ON;
    dk_wait_for(&RCC_CR, PLL1_READY, PLL1_READY);
    RCC_CFGR1 = SYSTEM_IS_PLL1;
    dk_wait_for(&RCC_CFGR1, 3u << 3, SYSTEM_IS_PLL1 << 3);
    dk_wait_for(&ICACHE_SR, CACHE_BUSY, 0);
    ICACHE_CR |= CACHE_ON;
    RCC_AHB2ENR |= 1u << 3;    // GPIOD
    RCC_APB1LENR |= 1u << 18;  // USART3
    (void)RCC_APB1LENR;        // the clock runs two cycles after the write
    GPIOD_MODER = (GPIOD_MODER & ~(15u << 16)) | (10u << 16);  // PD8, PD9: alternate function
    GPIOD_AFRH = (GPIOD_AFRH & ~0xFFu) | 0x77u;                // number 7: USART3
}
