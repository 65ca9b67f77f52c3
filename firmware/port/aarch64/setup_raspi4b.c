// SPDX-License-Identifier: BSD-3-Clause
// The setup of a Raspberry Pi 4 (Broadcom, "BCM2711 ARM Peripherals"): the pins of UART0, and the
// translation table. The firmware has set up clocks and RAM.
#include <assert.h>

#include "board.h"
#include "core.h"

#define GPIO 0xFE200000u
#define GPFSEL1 DK_REG(GPIO + 0x04u)
#define GPFSEL3 DK_REG(GPIO + 0x0Cu)
#define GPIO_PUP_PDN_CNTRL_REG0 DK_REG(GPIO + 0xE4u)

#define PIN_BITS(pin) (7u << ((pin) % 10u * 3u))  // of a pin in its GPFSEL; 0 is an input
#define ALT0(pin) (4u << ((pin) % 10u * 3u))
#define PULL_BITS(pin) (3u << ((pin) % 16u * 2u))
#define PULL_UP(pin) (1u << ((pin) % 16u * 2u))

// Blocks of 2 MB, as in cortexa/setup_virt.c: the image from 0 to 64 MB, which is read-only; 2 MB
// without a translation, so that a stack that grows too far faults; RAM of 16 MB. At the end of the
// 4 GB, the devices.
static_assert(DK_BOARD_IMAGE_ORIGIN + DK_BOARD_IMAGE_BYTES == 32u << 21, "32 blocks of the image");
static_assert(DK_BOARD_RAM_ORIGIN == 33u << 21, "a block between the image and the RAM");
static_assert(DK_BOARD_RAM_BYTES == 8u << 21, "8 blocks of RAM");
__asm__(".pushsection .rodata.dk_translation, \"a\"\n"
        ".global dk_translation\n"
        ".balign 4096\n"
        "low_blocks:\n"
        ".set at, 0\n"
        ".rept 32\n"
        "    .word at + 0x781, 0\n"
        "    .set at, at + 0x200000\n"
        ".endr\n"
        ".fill 1, 8, 0\n"
        ".set at, at + 0x200000\n"
        ".rept 8\n"
        "    .word at + 0x701, 0x600000\n"
        "    .set at, at + 0x200000\n"
        ".endr\n"
        ".fill 471, 8, 0\n"
        "device_blocks:\n"
        ".fill 496, 8, 0\n"
        ".set at, 0xFE000000\n"
        ".rept 16\n"
        "    .word at + 0x405, 0x600000\n"
        "    .set at, at + 0x200000\n"
        ".endr\n"
        "dk_translation:\n"
        "    .word low_blocks + 3, 0, 0, 0, 0, 0, device_blocks + 3, 0\n"
        ".popsection\n");

// UART0 on pins 14 and 15. Pins 32 and 33 lead it to Bluetooth: two receive pins would disturb each
// other.
void dk_setup(void)
{
    GPFSEL3 &= ~(PIN_BITS(32u) | PIN_BITS(33u));
    GPFSEL1 = (GPFSEL1 & ~(PIN_BITS(14u) | PIN_BITS(15u))) | ALT0(14u) | ALT0(15u);
    GPIO_PUP_PDN_CNTRL_REG0 =
        (GPIO_PUP_PDN_CNTRL_REG0 & ~(PULL_BITS(14u) | PULL_BITS(15u))) | PULL_UP(15u);
}
