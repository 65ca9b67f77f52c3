// SPDX-License-Identifier: BSD-3-Clause
// The timer by the core's performance monitor (Arm DDI 0406 C12), which counts cycles. In QEMU an
// instruction is one cycle with the TOML's -icount.
#include "core.h"

#define CPU_CYCLES 0x11u
#define COUNTER_0 1u
#define PMCR_ENABLE 1u

void dk_timer_init(void)
{
    uint32_t control;
    DK_CP15_WRITE(0, 0, c9, c12, 5);  // PMSELR: select counter 0 for what follows
    DK_CP15_WRITE(CPU_CYCLES, 0, c9, c13, 1);
    DK_CP15_WRITE(COUNTER_0, 0, c9, c12, 1);
    DK_CP15_READ(control, 0, c9, c12, 0);
    DK_CP15_WRITE(control | PMCR_ENABLE, 0, c9, c12, 0);
    dk_core_sync();
}

uint32_t dk_timer_now(void)
{
    uint32_t count;
    DK_CP15_READ(count, 0, c9, c13, 2);
    return count;
}
