// SPDX-License-Identifier: BSD-3-Clause
// The setup of an i.MX RT1062 (NXP IMXRT1060RM, chapters CCM, DCDC, IOMUXC): 600 MHz from the Arm
// PLL and the 24 MHz crystal, which also clocks the UARTs. LPUART1 on GPIO_AD_B0_12 and 13 (the
// debugger's serial port of a MIMXRT1060-EVKB), or LPUART6 on GPIO_AD_B0_02 and 03 (pins 1 and 0 of
// a Teensy 4.1). The boot ROM has set up the flash.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"

#define CCM 0x400FC000u
#define CCM_CACRR DK_REG(CCM + 0x10u)
#define CCM_CBCDR DK_REG(CCM + 0x14u)
#define CCM_CBCMR DK_REG(CCM + 0x18u)
#define CCM_CSCDR1 DK_REG(CCM + 0x24u)
#define CCM_CDHIPR DK_REG(CCM + 0x48u)
#define CCM_CCGR(n) DK_REG(CCM + 0x68u + 4u * (n))
#define PLL_ARM DK_REG(0x400D8000u)
#define DCDC_REG0 DK_REG(0x40080000u)
#define DCDC_REG3 DK_REG(0x4008000Cu)
#define IOMUXC 0x401F8000u

#define MILLIVOLTS(mv) ((mv) / 25u - 32u)  // DCDC_REG3
#define TARGET_MASK 0x1Fu
#define VOLTAGE_OK (1u << 31)   // DCDC_REG0
#define PERIPH_CLK2 (1u << 25)  // CBCDR: the AHB runs from the crystal meanwhile
#define PERIPH_CLK2_PODF (7u << 27)
#define CLK2_IS_CRYSTAL (1u << 12)  // CBCMR
#define CLK2_MASK (3u << 12)
#define PRE_IS_PLL_ARM (3u << 18)  // CBCMR
#define PRE_MASK (3u << 18)
#define AHB_MASK (7u << 10)  // CBCDR: divided by 1
#define IPG_BY_4 (3u << 8)   // CBCDR
#define IPG_MASK (3u << 8)
#define SWITCHING (1u << 5)  // CDHIPR
#define CLK2_SWITCHING (1u << 3)
#define ARM_DIVIDING (1u << 16)
#define PLL_LOCKED (1u << 31)
#define PLL_BYPASS (1u << 16)
#define PLL_ENABLE (1u << 13)
#define UART_FROM_CRYSTAL (1u << 6)  // CSCDR1, divided by 1
#define UART_MASK 0x7Fu
#define GATE_DCDC (3u << 6)  // CCGR6
#define FUNCTION_LPUART 2u
#define PAD_SLOW_PULLED_UP 0x10B0u  // keeper on, 100 MHz, drive R0/6: the reset value

#define CRYSTAL_HZ 24000000u
#define MULTIPLE 100u  // of half the crystal
#define DIVISOR 2u
static_assert(MULTIPLE >= 54u && MULTIPLE <= 108u, "the PLL's DIV_SELECT");
static_assert(CRYSTAL_HZ / 2u * MULTIPLE / DIVISOR == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(DK_BOARD_UART_CLOCK_HZ == CRYSTAL_HZ, "uart.clock_hz is the crystal's");

#if DK_BOARD_UART_BASE == 0x40184000u  // LPUART1
#define GATE_UART CCM_CCGR(5u)
#define GATE_BITS (3u << 24)
#define MUX_TX DK_REG(IOMUXC + 0xECu)
#define MUX_RX DK_REG(IOMUXC + 0xF0u)
#define PAD_TX DK_REG(IOMUXC + 0x2DCu)
#define PAD_RX DK_REG(IOMUXC + 0x2E0u)
#elif DK_BOARD_UART_BASE == 0x40198000u  // LPUART6
#define GATE_UART CCM_CCGR(3u)
#define GATE_BITS (3u << 6)
#define MUX_TX DK_REG(IOMUXC + 0xC4u)
#define MUX_RX DK_REG(IOMUXC + 0xC8u)
#define PAD_TX DK_REG(IOMUXC + 0x2B4u)
#define PAD_RX DK_REG(IOMUXC + 0x2B8u)
#define INPUT_TX DK_REG(IOMUXC + 0x554u)  // which pad the module's input comes from
#define INPUT_RX DK_REG(IOMUXC + 0x550u)
#define INPUT_AD_B0 1u
#else
#error "uart.base: this file knows the pins of LPUART1 and LPUART6"
#endif

static void raise_voltage(void)
{
    CCM_CCGR(6u) |= GATE_DCDC;
    DCDC_REG3 = (DCDC_REG3 & ~TARGET_MASK) | MILLIVOLTS(1275u);  // needed for 600 MHz
    while (!(DCDC_REG0 & VOLTAGE_OK)) {
    }
}

// Run the AHB from the crystal while the PLL changes.
static void leave_pll(void)
{
    CCM_CBCDR &= ~PERIPH_CLK2_PODF;
    CCM_CBCMR = (CCM_CBCMR & ~CLK2_MASK) | CLK2_IS_CRYSTAL;
    while (CCM_CDHIPR & CLK2_SWITCHING) {
    }
    CCM_CBCDR |= PERIPH_CLK2;
    while (CCM_CDHIPR & SWITCHING) {
    }
}

static void start_pll(void)
{
    PLL_ARM = PLL_BYPASS | PLL_ENABLE | MULTIPLE;
    while (!(PLL_ARM & PLL_LOCKED)) {
    }
    PLL_ARM = PLL_ENABLE | MULTIPLE;
    CCM_CACRR = DIVISOR - 1u;
    while (CCM_CDHIPR & ARM_DIVIDING) {
    }
    CCM_CBCDR = (CCM_CBCDR & ~(AHB_MASK | IPG_MASK)) | IPG_BY_4;
    CCM_CBCMR = (CCM_CBCMR & ~PRE_MASK) | PRE_IS_PLL_ARM;
    CCM_CBCDR &= ~PERIPH_CLK2;
    while (CCM_CDHIPR & SWITCHING) {
    }
}

void dk_setup(void)
{
    raise_voltage();
    leave_pll();
    start_pll();
    CCM_CSCDR1 = (CCM_CSCDR1 & ~UART_MASK) | UART_FROM_CRYSTAL;
    GATE_UART |= GATE_BITS;
    MUX_TX = FUNCTION_LPUART;
    MUX_RX = FUNCTION_LPUART;
    PAD_TX = PAD_SLOW_PULLED_UP;
    PAD_RX = PAD_SLOW_PULLED_UP;
#ifdef INPUT_RX
    INPUT_TX = INPUT_AD_B0;
    INPUT_RX = INPUT_AD_B0;
#endif
}
