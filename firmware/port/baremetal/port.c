// SPDX-License-Identifier: BSD-3-Clause
// dredkit/port.h for every board without an operating system: receive ring, interrupt accounting,
// stack peak, build id.
#include "dredkit/port.h"

#include "board.h"
#include "core.h"
#include "drivers.h"

#define RING_MASK (DK_BOARD_UART_RING_BYTES - 1u)
#define NOTE_HEADER_BYTES 16  // ELF note: three words and "GNU\0", then the id
// The number of interrupts that measure the cost of one. Every reading of the timer rounds down.
// That does not matter if a tick is a cycle, but in emulation a tick is a fraction of an
// instruction: 1/32.768 or 1/25.6. Over a multiple of 125 equal turns the roundings cancel out.
#define TRIALS 1000u

extern uint32_t dk_stack_bottom[], dk_stack_top[];
extern const uint8_t dk_build_id_note[];

// Each field has one writer: the interrupt moves head and dropped, the reader moves tail.
static struct {
    uint8_t bytes[DK_BOARD_UART_RING_BYTES];
    volatile uint32_t head;
    volatile uint32_t tail;
    volatile uint32_t dropped;
} ring;

static bool by_core;  // ticks are cycles that the core counts

static volatile uint32_t isr_ticks;  // only the interrupt writes it
static uint32_t isr_fraction;        // of a tick, in 1 / TRIALS
// The cost of an interrupt beyond its own two timer readings, in ticks / TRIALS.
static uint32_t isr_entry;

static uint32_t now(void)
{
    return by_core ? dk_core_cycles() : dk_timer_now();
}

void dk_uart_isr(void)
{
    uint32_t start = now();
    uint8_t byte;
    while (dk_uart_receive(&byte)) {
        uint32_t head = ring.head;
        if (head - ring.tail < DK_BOARD_UART_RING_BYTES) {
            ring.bytes[head & RING_MASK] = byte;
            ring.head = head + 1u;
        } else {
            ring.dropped = ring.dropped + 1u;
        }
    }
    isr_fraction += isr_entry;
    isr_ticks = isr_ticks + (now() - start) + isr_fraction / TRIALS;
    isr_fraction %= TRIALS;
}

// Return the ticks of TRIALS writes to the pending register, with the interrupt's bit or without.
// noipa makes both calls run the same code, so only the interrupts differ.
__attribute__((noipa)) static uint32_t trial(uint32_t mask)
{
    uint32_t start = now();
    for (uint32_t i = 0; i < TRIALS; i++) {
        dk_core_pend(DK_BOARD_UART_IRQ, mask);
    }
    return now() - start;
}

// Measure what the handler cannot see from inside: its entry, its exit and the cost of its timer
// readings. This code causes the interrupts itself.
static void measure_isr_entry(void)
{
    uint32_t without = trial(0);
    uint32_t inside = isr_ticks;
    uint32_t with = trial(1u << (DK_BOARD_UART_IRQ % 32u));
    inside = isr_ticks - inside;
    isr_entry = with - without - inside;
}

void dk_port_init(void)
{
    dk_setup();
    dk_timer_init();
    by_core = dk_core_cycles_start();
    dk_core_enable(DK_BOARD_UART_IRQ);
    measure_isr_entry();
    dk_uart_init();
}

uint32_t dk_port_ticks(void)
{
    return now();
}

bool dk_port_ticks_are_cycles(void)
{
    return by_core || dk_core_timer_is_cycles();
}

uint32_t dk_port_isr_ticks(void)
{
    return isr_ticks;
}

uint32_t dk_port_work_ticks(void)
{
    uint32_t mask = dk_core_hold();
    uint32_t ticks = now() - isr_ticks;
    dk_core_release(mask);
    return ticks;
}

void dk_port_mark(bool running)
{
#ifdef DK_BOARD_MARK_SET
    if (running) {
        DK_REG(DK_BOARD_MARK_SET) = DK_BOARD_MARK_SET_VALUE;
    } else {
        DK_REG(DK_BOARD_MARK_CLEAR) = DK_BOARD_MARK_CLEAR_VALUE;
    }
#else
    (void)running;
#endif
}

void dk_port_idle(void)
{
#ifdef DK_BOARD_UART_POLLED
    // Nothing would end a sleep, and many chips shut a probe out while the core sleeps.
    dk_core_pend(DK_BOARD_UART_IRQ, 1u << (DK_BOARD_UART_IRQ % 32u));
#else
    // An interrupt that is held back still ends the sleep, but it cannot run between test and
    // sleep.
    uint32_t mask = dk_core_hold();
    if (ring.head == ring.tail) {
        dk_core_sleep();
    }
    dk_core_release(mask);
#endif
}

size_t dk_port_read(uint8_t *bytes, size_t capacity)
{
    uint32_t tail = ring.tail;
    uint32_t ready = ring.head - tail;
    size_t count = ready < capacity ? ready : capacity;
    for (size_t i = 0; i < count; i++) {
        bytes[i] = ring.bytes[(tail + i) & RING_MASK];
    }
    ring.tail = tail + (uint32_t)count;
    return count;
}

uint32_t dk_port_rx_dropped(void)
{
    return ring.dropped;
}

void dk_port_write(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        while (!dk_uart_transmit(bytes[i])) {
        }
    }
}

uint32_t dk_port_stack_peak(void)
{
    const uint32_t *word = dk_stack_bottom;
    while (word < dk_stack_top && *word == DK_STACK_PAINT) {
        word++;
    }
    return (uint32_t)(dk_stack_top - word) * (uint32_t)sizeof(*word);
}

const uint8_t *dk_port_build_id(void)
{
    return dk_build_id_note + NOTE_HEADER_BYTES;
}
