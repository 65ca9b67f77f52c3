// SPDX-License-Identifier: BSD-3-Clause
// The driver of the core's own cycle counter (Arm DDI 0403 C1.8, DDI 0553 B14, "DWT") for boards
// that need no other timer. Cores of Armv6-M and Armv8-M Baseline do not have it, nor has QEMU.
#include "core.h"
#include "drivers.h"

void dk_timer_init(void)
{
    (void)dk_core_cycles_start();
}

uint32_t dk_timer_now(void)
{
    return dk_core_cycles();
}
