// SPDX-License-Identifier: BSD-3-Clause
// The setup of an Alif Ensemble E7 DevKit, core M55-HP (addresses and bits: Alif's
// alif_ensemble-cmsis-dfp, Device/soc/AE722F80F55D5/include/rtss_hp/soc.h, sys_clocks.h,
// drivers/include/sys_ctrl_uart.h, drivers/source/pinconf.c): UART4 on P12_1 and P12_2, as in
// Boards/DevKit-e7/Examples/Hello_World. The chip's Secure Enclave has set the clocks, from Alif's
// own firmware, before it starts this core: 400 MHz, and 100 MHz for the UART.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"

#define PINMUX 0x1A603000u
#define PIN(port, pin) DK_REG(PINMUX + 32u * (port) + 4u * (pin))
#define CLKCTL_PER_SLV 0x4902F000u
#define EXPMST0_CTRL DK_REG(CLKCTL_PER_SLV + 0x00u)
#define UART_CTRL DK_REG(CLKCTL_PER_SLV + 0x08u)

#define CLOCKS_ON (3u << 30)  // EXPMST0_CTRL: of the peripherals and their bus
#define UART4_ON (1u << 4)
#define UART4_FROM_PCLK (1u << 12)  // UART_CTRL: 100 MHz
#define FUNCTION_UART4 2u
#define INPUT (1u << 16)  // pad control: read enable
// Devices lie where the default map has code, which may be cached: make 8 MB from there a device's.
#define DEVICES 0x1A000000u
#define DEVICES_LAST 0x1A7FFFE0u
#define LAST_REGION 7u
#define ATTRIBUTE_1_DEVICE (0x04u << 8)  // MPU_MAIR0: nGnRE
#define EXECUTE_NEVER 1u
#define USE_ATTRIBUTE_1 (1u << 1)
#define REGION_ON 1u

static_assert(DK_BOARD_CLOCK_HZ == 400000000u, "clock_hz");
static_assert(DK_BOARD_UART_CLOCK_HZ == 100000000u, "uart.clock_hz is SYST_PCLK");

static void map_devices(void)
{
    DK_MPU_MAIR0 = (DK_MPU_MAIR0 & ~0xFF00u) | ATTRIBUTE_1_DEVICE;
    DK_MPU_RNR = LAST_REGION;
    DK_MPU_RBAR = DEVICES | EXECUTE_NEVER;
    DK_MPU_RLAR = DEVICES_LAST | USE_ATTRIBUTE_1 | REGION_ON;
    dk_core_sync();
}

void dk_setup(void)
{
    map_devices();
    EXPMST0_CTRL |= CLOCKS_ON;
    UART_CTRL |= UART4_FROM_PCLK | UART4_ON;
    PIN(12u, 1u) = FUNCTION_UART4 | INPUT;  // receives
    PIN(12u, 2u) = FUNCTION_UART4;          // sends
}
