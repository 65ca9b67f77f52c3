// SPDX-License-Identifier: BSD-3-Clause
// The setup of a Raspberry Pi Pico 2 (RP2350 datasheet, RP-008373): 150 MHz from the 12 MHz
// crystal; UART0 on GPIO 0 and 1, which a debug probe or a USB adapter connects. The boot ROM has
// set up the flash; its clock is that of the core divided.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"

#define CLOCKS 0x40010000u
#define CLK_REF_CTRL DK_REG(CLOCKS + 0x30u)
#define CLK_REF_SELECTED DK_REG(CLOCKS + 0x38u)
#define CLK_SYS_CTRL DK_REG(CLOCKS + 0x3Cu)
#define CLK_SYS_SELECTED DK_REG(CLOCKS + 0x44u)
#define CLK_PERI_CTRL DK_REG(CLOCKS + 0x48u)
#define RESETS_RESET DK_REG(0x40020000u)
#define RESETS_DONE DK_REG(0x40020008u)
#define GPIO_CTRL(pin) DK_REG(0x40028004u + 8u * (pin))
#define PAD(pin) DK_REG(0x40038004u + 4u * (pin))
#define XOSC_CTRL DK_REG(0x40048000u)
#define XOSC_STATUS DK_REG(0x40048004u)
#define XOSC_STARTUP DK_REG(0x4004800Cu)
#define PLL_CS DK_REG(0x40050000u)
#define PLL_PWR DK_REG(0x40050004u)
#define PLL_FBDIV DK_REG(0x40050008u)
#define PLL_PRIM DK_REG(0x4005000Cu)

#define RESET_PINS ((1u << 6) | (1u << 9))  // IO_BANK0, PADS_BANK0
#define RESET_PLL (1u << 14)
#define RESET_UART0 (1u << 26)
#define XOSC_ON ((0xFABu << 12) | 0xAA0u)  // 1 to 15 MHz
#define XOSC_STABLE (1u << 31)
// Wait for a multiple of 256 cycles: here 1 ms, the datasheet's example.
#define XOSC_DELAY ((XOSC_HZ / 1000u + 128u) / 256u)
#define PLL_LOCKED (1u << 31)
#define PLL_OFF_POSTDIV (1u << 3)
#define PLL_OFF_VCO (1u << 5)
#define PLL_OFF 1u
#define REF_XOSC 2u
#define SYS_REF 0u
#define SYS_AUX 1u
#define PERI_SYS (1u << 11)
#define FUNCTION_UART 2u
#define PAD_INPUT \
    ((1u << 6) | (1u << 3) | (1u << 1))     // input, pull-up, Schmitt trigger; isolation off
#define PAD_OUTPUT ((1u << 6) | (1u << 4))  // 4 mA; isolation off

#define XOSC_HZ 12000000u
#define FEEDBACK 125u
#define POST_1 5u
#define POST_2 2u
static_assert(XOSC_HZ >= 5000000u, "the PLL's reference");
static_assert(XOSC_HZ * FEEDBACK >= 750000000u && XOSC_HZ * FEEDBACK <= 1600000000u, "its VCO");
static_assert(XOSC_HZ * FEEDBACK / POST_1 / POST_2 == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(DK_BOARD_CLOCK_HZ == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is clk_peri's");

static void out_of_reset(uint32_t parts)
{
    RESETS_RESET &= ~parts;
    while ((RESETS_DONE & parts) != parts) {
    }
}

static void start_crystal(void)
{
    XOSC_STARTUP = XOSC_DELAY;
    XOSC_CTRL = XOSC_ON;
    while (!(XOSC_STATUS & XOSC_STABLE)) {
    }
    CLK_SYS_CTRL &= ~SYS_AUX;  // the other source may change only while it is not in use
    while (CLK_SYS_SELECTED != 1u << SYS_REF) {
    }
    CLK_REF_CTRL = REF_XOSC;
    while (CLK_REF_SELECTED != 1u << REF_XOSC) {
    }
}

static void start_pll(void)
{
    RESETS_RESET |= RESET_PLL;
    out_of_reset(RESET_PLL);
    PLL_CS = 1u;  // the reference is not divided
    PLL_FBDIV = FEEDBACK;
    PLL_PWR &= ~(PLL_OFF | PLL_OFF_VCO);
    while (!(PLL_CS & PLL_LOCKED)) {
    }
    PLL_PRIM = (POST_1 << 16) | (POST_2 << 12);
    PLL_PWR &= ~PLL_OFF_POSTDIV;
    CLK_SYS_CTRL = SYS_REF;  // and PLL_SYS as the other source
    CLK_SYS_CTRL = SYS_AUX;
    while (CLK_SYS_SELECTED != 1u << SYS_AUX) {
    }
}

void dk_setup(void)
{
    start_crystal();
    start_pll();
    CLK_PERI_CTRL = PERI_SYS;
    out_of_reset(RESET_PINS | RESET_UART0);
    GPIO_CTRL(0u) = FUNCTION_UART;
    GPIO_CTRL(1u) = FUNCTION_UART;
    PAD(0u) = PAD_OUTPUT;
    PAD(1u) = PAD_INPUT;
}
