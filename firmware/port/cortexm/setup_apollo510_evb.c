// SPDX-License-Identifier: BSD-3-Clause
// The setup of an Apollo510 EVB (Ambiq's register pages, docs/apollo510/pages/ in
// zephyrproject-rtos/hal_ambiq: pwrctrl_regs.html, gpio_regs.html): power for the shared SRAM and
// UART0; UART0 on pads 30 and 55, the debugger's serial port. The core stays at the 96 MHz of its
// low-power mode. 250 MHz needs the buck converter and trim values that Ambiq's power manager
// (am_hal_spotmgr) looks up chip by chip, and which no public document gives.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"
#include "wait.h"

#define GPIO 0x40010000u
#define GPIO_PINCFG(pad) DK_REG(GPIO + 4u * (pad))
#define GPIO_PADKEY DK_REG(GPIO + 0x400u)
#define PWRCTRL 0x40021000u
#define PWRCTRL_DEVPWREN DK_REG(PWRCTRL + 0x04u)
#define PWRCTRL_DEVPWRSTATUS DK_REG(PWRCTRL + 0x08u)
#define PWRCTRL_SSRAMPWREN DK_REG(PWRCTRL + 0x24u)
#define PWRCTRL_SSRAMPWRST DK_REG(PWRCTRL + 0x28u)

#define UART0_POWER (1u << 9)
#define ALL_SSRAM 7u
#define UNLOCK 0x73u
#define FUNCTION_UART0 4u  // of both pads
#define INPUT (1u << 4)
#define TX_PAD 30u
#define RX_PAD 55u
static_assert(DK_BOARD_CLOCK_HZ == 96000000u, "clock_hz");

void dk_setup(void)
{
    PWRCTRL_SSRAMPWREN = ALL_SSRAM;
    dk_wait_for(&PWRCTRL_SSRAMPWRST, ALL_SSRAM, ALL_SSRAM);
    PWRCTRL_DEVPWREN |= UART0_POWER;
    dk_wait_for(&PWRCTRL_DEVPWRSTATUS, UART0_POWER, UART0_POWER);
    GPIO_PADKEY = UNLOCK;
    GPIO_PINCFG(TX_PAD) = FUNCTION_UART0;
    GPIO_PINCFG(RX_PAD) = FUNCTION_UART0 | INPUT;
    GPIO_PADKEY = 0;
}
