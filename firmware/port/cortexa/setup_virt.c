// SPDX-License-Identifier: BSD-3-Clause
// The translation table of QEMU's virt machine (memory map: hw/arm/virt.c): flash from 0, devices
// from 128 MB, RAM from 1 GB. The last pages below the RAM have no translation, so a stack that
// grows too far faults.
#include "core.h"

// Blocks of 2 MB and of 1 GB. Their descriptors are the same on 32-bit cores (long descriptors, Arm
// DDI 0406 B3.6) and on 64-bit cores (DDI 0487 D8.3): 1 + attribute * 4, read-only 1 << 7, shared
// 3 << 8, used 1 << 10; in the upper word, no execution 3 << 21.
__asm__(".pushsection .rodata.dk_translation, \"a\"\n"
        ".global dk_translation\n"
        ".balign 4096\n"
        "blocks:\n"
        ".set at, 0\n"
        ".rept 64\n"  // flash
        "    .word at + 0x781, 0\n"
        "    .set at, at + 0x200000\n"
        ".endr\n"
        ".rept 64\n"  // interrupt controller, UART
        "    .word at + 0x405, 0x600000\n"
        "    .set at, at + 0x200000\n"
        ".endr\n"
        ".fill 384, 8, 0\n"
        "dk_translation:\n"
        "    .word blocks + 3, 0\n"
        "    .word 0x40000000 + 0x701, 0x600000\n"
        "    .word 0, 0, 0, 0\n"
        ".popsection\n");

void dk_setup(void)
{
}
