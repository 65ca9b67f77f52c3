// SPDX-License-Identifier: BSD-3-Clause
// Reports an unexpected exception with what the core knows about it.
#include "core.h"

// Switch to a stack that is certainly usable. System registers hold the place of the fault.
__asm__(".pushsection .text.dk_fault, \"ax\"\n"
        ".global dk_fault\n"
        "dk_fault:\n"
        "    ldr x0, =dk_stack_top\n"
        "    mov sp, x0\n"
        "    mov x0, x30\n"
        "    b dk_fault_report\n"
        ".ltorg\n"
        ".popsection\n");

void dk_fault_report(uintptr_t caller);

__attribute__((used)) void dk_fault_report(uintptr_t caller)
{
    uintptr_t pc;
    uintptr_t cause;
    uintptr_t address;
    __asm__ volatile("mrs %0, elr_el1" : "=r"(pc));
    __asm__ volatile("mrs %0, esr_el1" : "=r"(cause));
    __asm__ volatile("mrs %0, far_el1" : "=r"(address));
    const dk_fault_word words[] = {
        {" pc=", pc}, {" lr=", caller}, {" esr=", cause}, {" far=", address}};
    dk_fault_tell(words, sizeof words / sizeof words[0]);
}
