// SPDX-License-Identifier: BSD-3-Clause
// Vectors and reset of an emulated board whose C library uses semihosting.
#include <stdint.h>

#ifndef STACK
#define STACK 0x20070000U
#endif
#define CPACR (*(volatile uint32_t *)0xE000ED88U)
#define COPROCESSORS (0xFU << 20)  // floating point and Helium

extern void _start(void);

static void reset(void)
{
    CPACR |= COPROCESSORS;
    __asm__ volatile("dsb\n\tisb");
    _start();
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    STACK,
    (uintptr_t)reset,
};
