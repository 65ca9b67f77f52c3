// SPDX-License-Identifier: BSD-3-Clause
// From reset to main on an emulated Cortex-M. The C library reads and writes files on the host by
// semihosting, so an example uses stdio as on a host.
#include <stdint.h>
#include <stdlib.h>

#include "board.h"

typedef void (*function)(void);

// Symbols of sections.ld: only their addresses matter.
extern uint32_t data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern const uint32_t data_load[];
extern const function init_array_start[], init_array_end[];

extern void initialise_monitor_handles(void);  // of the C library: opens stdin, stdout and stderr
int main(void);
void reset(void);
void _fini(void);

#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)
#define SCB_CCR (*(volatile uint32_t *)0xE000ED14u)
#define CPACR_CP10_CP11 (0xFu << 20)  // access to the float and vector registers
#define CCR_LOB (1u << 19)            // Armv8.1-M: loop and branch information

// The C library calls this at exit; there is nothing to undo.
void _fini(void)
{
}

// The stack is painted before main. What of it has another colour later was in use.
#define PAINT 0xC0DEC0DEu
#define PAINTED_WORDS (64u * 1024u / sizeof(uint32_t))

static void paint_stack(void)
{
    uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = stack_top - PAINTED_WORDS; word < here; word++) {
        *word = PAINT;
    }
}

uint32_t stack_used(void)
{
    const uint32_t *word = stack_top - PAINTED_WORDS;
    while (word < stack_top && *word == PAINT) {
        word++;
    }
    return (uint32_t)(stack_top - word) * (uint32_t)sizeof *word;
}

static void fault(void)
{
    exit(EXIT_FAILURE);
}

typedef struct {
    const uint32_t *stack;
    function entry[15];
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    stack_top,
    {reset, fault, fault, fault, fault, fault, fault},
};

void reset(void)
{
    SCB_CPACR |= CPACR_CP10_CP11;
#if defined(__ARM_FEATURE_MVE)
    SCB_CCR |= CCR_LOB;
#endif
    __asm__ volatile("dsb 0xF\n\tisb 0xF" ::: "memory");
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    initialise_monitor_handles();
    for (const function *f = init_array_start; f < init_array_end; f++) {
        (*f)();
    }
    clock_start();
    paint_stack();
    exit(main());
}
