// SPDX-License-Identifier: BSD-3-Clause
// From reset to main, for every Cortex-M.
#include <stdint.h>

#include "board.h"
#include "core.h"
#include "drivers.h"
#include "sections.h"

int main(void);

extern uint32_t dk_stack_top[];  // from the linker script

__attribute__((noreturn)) void dk_reset(void);

typedef void (*dk_vector)(void);

typedef struct {
    const uint32_t *stack_top;
    dk_vector entry[15 + DK_BOARD_UART_IRQ + 1];
} dk_vector_table;

// Entry n is exception n + 1. An interrupt without an entry jumps to 0, which also ends in
// dk_fault; but no code enables such an interrupt.
__attribute__((section(".vectors"), used)) const dk_vector_table dk_vectors = {
    .stack_top = dk_stack_top,
    .entry =
        {
            [0] = dk_reset,
            [1] = dk_fault,   // NMI
            [2] = dk_fault,   // HardFault
            [3] = dk_fault,   // MemManage
            [4] = dk_fault,   // BusFault
            [5] = dk_fault,   // UsageFault
            [6] = dk_fault,   // SecureFault
            [10] = dk_fault,  // SVCall
            [11] = dk_fault,  // DebugMonitor
            [13] = dk_fault,  // PendSV
            [14] = dk_fault,  // SysTick
            [15 + DK_BOARD_UART_IRQ] = dk_uart_isr,
        },
};

void dk_reset(void)
{
    DK_SCB_VTOR = (uint32_t)(uintptr_t)&dk_vectors;
#if !defined(__ARM_ARCH_6M__)
    // Otherwise a stack that has left the RAM ends in lockup: the core cannot stack the registers
    // for a HardFault, and there is no further exception. Armv6-M has no choice.
    DK_SCB_SHCSR |= DK_SHCSR_FAULTS;
#endif
#if defined(__ARM_FEATURE_MVE)
    DK_SCB_CPACR |= DK_CPACR_CP10_CP11;
    DK_SCB_CCR |= DK_CCR_LOB;
#endif
    dk_core_sync();
#if __ARM_ARCH >= 8
    __asm__ volatile("msr msplim, %0" ::"r"(dk_stack_bottom));
#endif
    dk_core_memory();
    dk_paint_stack();
    dk_fill_ram();
    (void)main();
    for (;;) {
    }
}
