// SPDX-License-Identifier: BSD-3-Clause
// Reports an unexpected exception with what the core knows about it.
#include "core.h"

// The vectors jump here in the exception's own mode, with lr at the instruction where it occurred.
// Switch to a stack that is certainly usable; the caller's lr is the supervisor mode's.
__asm__(".pushsection .text.dk_fault, \"ax\"\n"
        ".arm\n"
        ".global dk_fault\n"
        ".type dk_fault, %function\n"
        "dk_fault:\n"
        "    mov r0, lr\n"
        "    mrs r2, cpsr\n"
        "    cps #19\n"
        "    mov r1, lr\n"
        "    ldr sp, =dk_stack_top\n"
        "    bl dk_fault_report\n"
        ".ltorg\n"
        ".popsection\n");

#define MODE 0x1Fu  // of CPSR: 13 for a call, 17 for an abort, 1b for an undefined instruction

void dk_fault_report(uint32_t pc, uint32_t caller, uint32_t state);

__attribute__((used)) void dk_fault_report(uint32_t pc, uint32_t caller, uint32_t state)
{
    uint32_t cause;
    uint32_t address;
    DK_CP15_READ(cause, 0, c5, c0, 0);
    DK_CP15_READ(address, 0, c6, c0, 0);
    const dk_fault_word words[] = {{" pc=", pc},
                                   {" lr=", caller},
                                   {" mode=", state & MODE},
                                   {" dfsr=", cause},
                                   {" dfar=", address}};
    dk_fault_tell(words, sizeof words / sizeof words[0]);
}
