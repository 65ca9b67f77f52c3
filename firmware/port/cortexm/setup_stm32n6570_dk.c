// SPDX-License-Identifier: BSD-3-Clause
// The setup of an STM32N6570-DK (ST RM0486, chapters PWR and RCC; ST's register header
// stm32n657xx.h): 600 MHz from the internal 64 MHz oscillator, as in ST's own examples; buses at
// 400, 300 and 200 MHz; USART1 on PE5 and PE6, the debugger's serial port. 800 MHz needs a core
// voltage that the board's external regulator gives only when told over I2C. The program is
// Secure: a debugger has put it into RAM and started it while the boot ROM waits in development
// mode.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"
#include "wait.h"

#define SAU_CTRL DK_REG(0xE000EDD0u)
#define PWR 0x56024800u
#define PWR_CR1 DK_REG(PWR + 0x00u)
#define PWR_VOSCR DK_REG(PWR + 0x20u)
#define PWR_SVMCR1 DK_REG(PWR + 0x34u)
#define PWR_SVMCR2 DK_REG(PWR + 0x38u)
#define PWR_SVMCR3 DK_REG(PWR + 0x3Cu)
#define RCC 0x56028000u
#define RCC_SR DK_REG(RCC + 0x04u)
#define RCC_CFGR1 DK_REG(RCC + 0x20u)
#define RCC_CFGR2 DK_REG(RCC + 0x24u)
#define RCC_HSICFGR DK_REG(RCC + 0x48u)
#define RCC_PLL1CFGR1 DK_REG(RCC + 0x80u)
#define RCC_PLL1CFGR2 DK_REG(RCC + 0x84u)
#define RCC_PLL1CFGR3 DK_REG(RCC + 0x88u)
#define RCC_IC1CFGR DK_REG(RCC + 0xC4u)
#define RCC_IC2CFGR DK_REG(RCC + 0xC8u)
#define RCC_IC6CFGR DK_REG(RCC + 0xD8u)
#define RCC_IC11CFGR DK_REG(RCC + 0xECu)
#define RCC_CCIPR13 DK_REG(RCC + 0x174u)
#define RCC_AHB4ENR DK_REG(RCC + 0x25Cu)
#define RCC_APB2ENR DK_REG(RCC + 0x26Cu)
// A one sets or clears the same bit of the register that they are for.
#define RCC_CSR DK_REG(RCC + 0x800u)
#define RCC_DIVENSR DK_REG(RCC + 0xA40u)
#define RCC_BUSENSR DK_REG(RCC + 0xA44u)
#define RCC_AHB4ENSR DK_REG(RCC + 0xA5Cu)
#define RCC_APB2ENSR DK_REG(RCC + 0xA6Cu)
#define RCC_CCR DK_REG(RCC + 0x1000u)
#define GPIOE_MODER DK_REG(0x56021000u)
#define GPIOE_AFRL DK_REG(0x56021020u)

#define ALL_BUSES 0xFFFFFFFFu
#define PWR_CLOCK (1u << 18)      // RCC_AHB4ENR
#define GPIOE_CLOCK (1u << 4)     // RCC_AHB4ENR
#define USART1_CLOCK (1u << 4)    // RCC_APB2ENR
#define OWN_REGULATOR (1u << 2)   // PWR_CR1: SDEN; the board has an external one
#define ACTVOSRDY (1u << 17)      // PWR_VOSCR
#define VDDIO_VALID (1u << 8)     // PWR_SVMCR1 to 3: supplies 4, 5 and 2
#define VDDIO3_VALID (1u << 9)    // PWR_SVMCR3
#define HSI_ON (1u << 3)          // RCC_CSR, RCC_SR
#define HSI_DIVIDER (3u << 7)     // RCC_HSICFGR
#define PLL1 (1u << 8)            // RCC_CSR, RCC_SR, RCC_CCR
#define MODULATION_RESET 1u       // RCC_PLL1CFGR3
#define MODULATION_OFF (1u << 2)  // RCC_PLL1CFGR3
#define DIVIDE_OUTPUT (1u << 30)  // RCC_PLL1CFGR3
#define CPU_SWITCH (3u << 16)     // RCC_CFGR1: IC1
#define CPU_STATE (3u << 20)
#define BUS_SWITCH (3u << 24)  // RCC_CFGR1: IC2, IC6 and IC11
#define BUS_STATE (3u << 28)
#define DIVIDERS ((1u << 0) | (1u << 1) | (1u << 5) | (1u << 10))  // IC1, IC2, IC6, IC11
#define FROM_PLL1(divider) ((0u - 1u + (divider)) << 16)           // RCC_ICnCFGR
#define AHB_HALF (1u << 20)  // RCC_CFGR2; every APB as the AHB

#define HSI_HZ 64000000u
#define M 4u
#define N 75u
#define PLL_HZ (HSI_HZ / M * N)
#define CPU_DIVIDER 2u
#define BUS_DIVIDER 3u
#define NPU_DIVIDER 4u
static_assert(PLL_HZ / CPU_DIVIDER == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(PLL_HZ / BUS_DIVIDER <= 400000000u, "the bus");
static_assert(PLL_HZ / BUS_DIVIDER / 2u == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is APB2's");

static void set_supply(void)
{
    RCC_AHB4ENSR = PWR_CLOCK;
    (void)RCC_AHB4ENR;  // the clock runs two cycles after the write
    PWR_CR1 &= ~OWN_REGULATOR;
    dk_wait_for(&PWR_VOSCR, ACTVOSRDY, ACTVOSRDY);
    PWR_SVMCR1 |= VDDIO_VALID;
    PWR_SVMCR2 |= VDDIO_VALID;
    PWR_SVMCR3 |= VDDIO_VALID | VDDIO3_VALID;
}

// Run everything from the oscillator: the boot ROM may have left the PLL in use.
static void leave_pll(void)
{
    RCC_CSR = HSI_ON;
    dk_wait_for(&RCC_SR, HSI_ON, HSI_ON);
    RCC_HSICFGR &= ~HSI_DIVIDER;
    RCC_CFGR1 &= ~(CPU_SWITCH | BUS_SWITCH);
    dk_wait_for(&RCC_CFGR1, CPU_STATE | BUS_STATE, 0);
    RCC_CCR = PLL1;
    dk_wait_for(&RCC_SR, PLL1, 0);
}

static void start_pll(void)
{
    RCC_PLL1CFGR1 = (M << 20) | (N << 8);  // from the oscillator, not bypassed
    RCC_PLL1CFGR2 = 0;
    RCC_PLL1CFGR3 = DIVIDE_OUTPUT | (1u << 27) | (1u << 24) | MODULATION_OFF | MODULATION_RESET;
    RCC_CSR = PLL1;
    dk_wait_for(&RCC_SR, PLL1, PLL1);
    RCC_CFGR2 = AHB_HALF;
    RCC_IC1CFGR = FROM_PLL1(CPU_DIVIDER);
    RCC_IC2CFGR = FROM_PLL1(BUS_DIVIDER);
    RCC_IC6CFGR = FROM_PLL1(NPU_DIVIDER);
    RCC_IC11CFGR = FROM_PLL1(BUS_DIVIDER);  // the RAM outside the core
    RCC_DIVENSR = DIVIDERS;
    RCC_CFGR1 |= CPU_SWITCH | BUS_SWITCH;
    dk_wait_for(&RCC_CFGR1, CPU_STATE | BUS_STATE, CPU_STATE | BUS_STATE);
}

void dk_setup(void)
{
    SAU_CTRL = 0;  // all is Secure, whatever the boot ROM has set
    RCC_BUSENSR = ALL_BUSES;
    set_supply();
    leave_pll();
    start_pll();
    RCC_CCIPR13 &= ~7u;  // USART1 from APB2
    RCC_AHB4ENSR = GPIOE_CLOCK;
    RCC_APB2ENSR = USART1_CLOCK;
    (void)RCC_APB2ENR;
    GPIOE_MODER = (GPIOE_MODER & ~(15u << 10)) | (10u << 10);    // PE5, PE6: alternate function
    GPIOE_AFRL = (GPIOE_AFRL & ~(0xFFu << 20)) | (0x77u << 20);  // number 7: USART1
}
