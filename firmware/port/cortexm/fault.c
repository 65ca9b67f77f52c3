// SPDX-License-Identifier: BSD-3-Clause
// Reports an unexpected exception with what the core knows about it.
#include "core.h"

#define FRAME_LR 5
#define FRAME_PC 6
#define FRAME_WORDS 8

extern const uint32_t dk_stack_bottom[], dk_stack_top[];

// The core enters here. Pass on the stacked registers, on a stack that is certainly usable.
__attribute__((naked)) void dk_fault(void)
{
    __asm__ volatile("mrs r0, msp\n\t"
                     "ldr r1, =dk_stack_top\n\t"
                     "msr msp, r1\n\t"
                     "b dk_fault_report\n\t"
                     ".ltorg");
}

void dk_fault_report(const uint32_t *frame);

__attribute__((used)) void dk_fault_report(const uint32_t *frame)
{
    uint32_t pc = 0;
    uint32_t lr = 0;
    // After a stack overflow there is no frame, and reading one would fault again.
    if (frame >= dk_stack_bottom && frame + FRAME_WORDS <= dk_stack_top) {
        pc = frame[FRAME_PC];
        lr = frame[FRAME_LR];
    }
    const dk_fault_word words[] = {
        {" pc=", pc},
        {" lr=", lr},
#if !defined(__ARM_ARCH_6M__)
        {" cfsr=", DK_SCB_CFSR},
        {" hfsr=", DK_SCB_HFSR},
        {" bfar=", DK_SCB_BFAR},
#endif
    };
    dk_fault_tell(words, sizeof words / sizeof words[0]);
}
