// SPDX-License-Identifier: BSD-3-Clause
// A fault is said over the serial line, once, and the board then stands still: the host sees a
// text where a frame was due. A zero byte before and after keeps it apart from the frames.
#include <stddef.h>
#include <stdint.h>

#include "core.h"
#include "drivers.h"

#define FRAME_LR 5
#define FRAME_PC 6
#define FRAME_WORDS 8

extern const uint32_t dk_stack_bottom[], dk_stack_top[];

// Entered by the core: hands on the stacked registers, on a stack that is surely usable.
__attribute__((naked)) void dk_fault(void)
{
    __asm__ volatile("mrs r0, msp\n\t"
                     "ldr r1, =dk_stack_top\n\t"
                     "msr msp, r1\n\t"
                     "b dk_fault_report\n\t"
                     ".ltorg");
}

void dk_fault_report(const uint32_t *frame);

static void send(uint8_t byte)
{
    while (!dk_uart_transmit(byte)) {
    }
}

static void send_text(const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        send((uint8_t)text[i]);
    }
}

static void send_word(const char *name, uint32_t value)
{
    send_text(name);
    for (uint32_t shift = 32u; shift > 0u; shift -= 4u) {
        send((uint8_t) "0123456789abcdef"[(value >> (shift - 4u)) & 15u]);
    }
}

__attribute__((used)) void dk_fault_report(const uint32_t *frame)
{
    uint32_t pc = 0;
    uint32_t lr = 0;
    // After a stack overflow there is no frame, and reading one would be the next fault.
    if (frame >= dk_stack_bottom && frame + FRAME_WORDS <= dk_stack_top) {
        pc = frame[FRAME_PC];
        lr = frame[FRAME_LR];
    }
    send(0);
    send_text("dredkit fault:");
    send_word(" pc=", pc);
    send_word(" lr=", lr);
    send_word(" cfsr=", DK_SCB_CFSR);
    send_word(" hfsr=", DK_SCB_HFSR);
    send_word(" bfar=", DK_SCB_BFAR);
    send(0);
    for (;;) {
        __asm__ volatile("wfi");
    }
}
