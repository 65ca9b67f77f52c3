// SPDX-License-Identifier: BSD-3-Clause
// A program by which a test checks each promise of dredkit/port.h. A request is one letter, then
// numbers.
#include <stdbool.h>
#include <string.h>

#include "core.h"
#include "dredkit/engine.h"
#include "dredkit/port.h"

static uint32_t initialised = 0x1234ABCDu;  // proves the copy of .data
static uint32_t zeroed;                     // proves the clearing of .bss

static uint8_t read_byte(void)
{
    uint8_t byte;
    while (dk_port_read(&byte, 1) == 0) {
        dk_port_idle();
    }
    return byte;
}

static uint32_t read_word(void)
{
    uint32_t word = 0;
    for (uint32_t shift = 0; shift < 32u; shift += 8u) {
        word |= (uint32_t)read_byte() << shift;
    }
    return word;
}

static void write_word(uint32_t word)
{
    const uint8_t bytes[4] = {(uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16),
                              (uint8_t)(word >> 24)};
    dk_port_write(bytes, sizeof bytes);
}

#ifdef __aarch64__
#define COUNT_DOWN "1: subs %w0, %w0, #1\n\tb.ne 1b"
#define PUSH_ON "1: stp x0, x1, [sp, #-16]!\n\tb 1b"
#define COUNTER "+r"
#elif defined(__ARM_ARCH_6M__)
#define COUNT_DOWN "1: sub %0, %0, #1\n\tbne 1b"  // in the old syntax, which GCC uses there
#define PUSH_ON "1: push {r0-r7}\n\tb 1b"
#define COUNTER "+l"
#else
#define COUNT_DOWN "1: subs %0, %0, #1\n\tbne 1b"
#define PUSH_ON "1: push {r0-r7}\n\tb 1b"
#define COUNTER "+r"
#endif

// Spend two instructions a round, whatever the compiler does.
static void spin(uint32_t rounds)
{
    __asm__ volatile(COUNT_DOWN : COUNTER(rounds)::"cc");
}

// Measure spin's work. If `interrupted`, a byte is pending when the work begins and interrupts it
// at once; a word tells the host when to send the byte. noipa makes both calls run the same code.
__attribute__((noipa)) static void count_spin(uint32_t rounds, bool interrupted)
{
    uint32_t mask = dk_core_hold();
    if (interrupted) {
        write_word(0);
        dk_core_sleep();
    }
    uint32_t isr = dk_port_isr_ticks();
    uint32_t start = dk_port_work_ticks();
    dk_core_release(mask);
    spin(rounds);
    uint32_t work = dk_port_work_ticks() - start;
    isr = dk_port_isr_ticks() - isr;
    write_word(work);
    write_word(isr);
}

static void echo(uint32_t count)
{
    uint8_t bytes[64];
    while (count > 0) {
        size_t got = dk_port_read(bytes, count < sizeof bytes ? count : sizeof bytes);
        if (got == 0) {
            dk_port_idle();
        }
        dk_port_write(bytes, got);
        count -= (uint32_t)got;
    }
}

static void hold(uint32_t dropped)
{
    uint8_t bytes[64];
    while (dk_port_rx_dropped() < dropped) {
    }
    while (dk_port_read(bytes, sizeof bytes) > 0) {
    }
    write_word(dk_port_rx_dropped());
}

static void run_engine(void)
{
    uint8_t input[16];
    uint8_t output[16];
    for (size_t i = 0; i < sizeof input; i++) {
        input[i] = read_byte();
    }
    (void)dk_app_engine.step(input, output, NULL);
    dk_port_write(output, sizeof output);
}

// Move the stack pointer down until the stack ends, writing all the way.
static void overflow(void)
{
    __asm__ volatile(PUSH_ON);
}

int main(void)
{
    dk_port_init();
    for (;;) {
        switch (read_byte()) {
            case 'e':
                echo(read_word());
                break;
            case 't':
                count_spin(read_word(), false);
                break;
            case 'i':
                count_spin(read_word(), true);
                break;
            case 's':
                run_engine();
                break;
            case 'b':
                dk_port_write(dk_port_build_id(), DK_PORT_BUILD_ID_BYTES);
                break;
            case 'p':
                write_word(dk_port_stack_peak());
                break;
            case 'd':
                write_word(dk_port_rx_dropped());
                break;
            case 'm':
                write_word(initialised++);
                write_word(zeroed++);
                break;
            case 'h':  // do not read until so many bytes were dropped
                hold(read_word());
                break;
            case 'o':
                overflow();
                break;
            case 'x':  // an undefined instruction
                __asm__ volatile("udf #0");
                break;
            default:
                break;
        }
    }
}
