// SPDX-License-Identifier: BSD-3-Clause
// Reports a fault over the serial line, once; then the board stops. The host sees a text in place
// of a frame. A zero byte before and after the text separates it from the frames.
#include "core.h"
#include "drivers.h"

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

static void send_hex(uintptr_t value)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t shift = 8u * sizeof value; shift > 0u; shift -= 4u) {
        send((uint8_t)digits[(value >> (shift - 4u)) & 15u]);
    }
}

void dk_fault_tell(const dk_fault_word *words, size_t count)
{
    send(0);
    send_text("dredkit fault:");
    for (size_t i = 0; i < count; i++) {
        send_text(words[i].name);
        send_hex(words[i].value);
    }
    send(0);
    for (;;) {
        dk_core_sleep();
    }
}
