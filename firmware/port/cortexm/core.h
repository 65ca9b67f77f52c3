// SPDX-License-Identifier: BSD-3-Clause
// The few Cortex-M system registers that the port uses: Arm DDI 0403 (v7-M) and DDI 0553 (v8-M).
#ifndef DREDKIT_CORTEXM_CORE_H
#define DREDKIT_CORTEXM_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "drivers.h"

#define DK_NVIC_ISER(n) DK_REG(0xE000E100u + 4u * (n))  // interrupt set-enable
#define DK_NVIC_ISPR(n) DK_REG(0xE000E200u + 4u * (n))  // interrupt set-pending
#define DK_SCB_VTOR DK_REG(0xE000ED08u)
#define DK_SCB_CCR DK_REG(0xE000ED14u)
#define DK_SCB_SHCSR DK_REG(0xE000ED24u)
#define DK_SCB_CFSR DK_REG(0xE000ED28u)
#define DK_SCB_HFSR DK_REG(0xE000ED2Cu)
#define DK_SCB_BFAR DK_REG(0xE000ED38u)
#define DK_SCB_CPACR DK_REG(0xE000ED88u)
#define DK_SCB_CCSIDR DK_REG(0xE000ED80u)  // size of the cache that CSSELR selects
#define DK_SCB_CSSELR DK_REG(0xE000ED84u)
#define DK_SCB_ICIALLU DK_REG(0xE000EF50u)  // invalidates the instruction cache
#define DK_SCB_DCISW DK_REG(0xE000EF60u)    // invalidates a line of the data cache
#define DK_MPU_CTRL DK_REG(0xE000ED94u)
#define DK_MPU_RNR DK_REG(0xE000ED98u)
#define DK_MPU_RBAR DK_REG(0xE000ED9Cu)
#define DK_MPU_RASR DK_REG(0xE000EDA0u)   // Armv7-M
#define DK_MPU_RLAR DK_REG(0xE000EDA0u)   // Armv8-M
#define DK_MPU_MAIR0 DK_REG(0xE000EDC0u)  // Armv8-M

#define DK_DEMCR DK_REG(0xE000EDFCu)
#define DK_DWT_CTRL DK_REG(0xE0001000u)
#define DK_DWT_CYCCNT DK_REG(0xE0001004u)
#define DK_DWT_LAR DK_REG(0xE0001FB0u)

#define DK_DEMCR_TRCENA (1u << 24)       // enables the DWT
#define DK_DWT_UNLOCK 0xC5ACCE55u        // unlocks the DWT, which a Cortex-M7 locks
#define DK_DWT_CTRL_CYCCNTENA 1u         // starts the cycle counter
#define DK_CPACR_CP10_CP11 (0xFu << 20)  // full access to the float and vector registers
#define DK_SHCSR_FAULTS (7u << 16)       // enables MemManage, BusFault and UsageFault
#define DK_CCR_DC (1u << 16)             // enables the data cache
#define DK_CCR_IC (1u << 17)             // enables the instruction cache
#define DK_MPU_ON 5u                     // with the default map where there is no region
// Kinds of DK_BOARD_REGIONS in board.h.
#define DK_REGION_CODE 0u      // read-only
#define DK_REGION_DATA 1u      // not executable
#define DK_REGION_NONE 2u      // nothing is there
#define DK_CCR_LOB (1u << 19)  // v8.1-M: cache of loop and branch information

// Make a write to a system register take effect before the next instruction.
static inline void dk_core_sync(void)
{
    __asm__ volatile("dsb 0xF\n\tisb 0xF" ::: "memory");
}

// Hold interrupts back. Pass the result to dk_core_release.
static inline uint32_t dk_core_hold(void)
{
    uint32_t mask;
    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(mask)::"memory");
    return mask;
}

static inline void dk_core_release(uint32_t mask)
{
    __asm__ volatile("msr primask, %0" ::"r"(mask) : "memory");
}

static inline void dk_core_sleep(void)
{
    __asm__ volatile("wfi" ::: "memory");
}

static inline void dk_core_enable(uint32_t irq)
{
    DK_NVIC_ISER(irq / 32u) = 1u << (irq % 32u);
    dk_core_sync();
}

static inline void dk_core_pend(uint32_t irq, uint32_t mask)
{
    DK_NVIC_ISPR(irq / 32u) = mask;
    dk_core_sync();
}

static inline uint32_t dk_core_cycles(void)
{
    return DK_DWT_CYCCNT;
}

// Start the cycle counter. Returns whether it counts: it does in silicon, but stands still in QEMU.
// Armv6-M has none.
static inline bool dk_core_cycles_start(void)
{
#if defined(__ARM_ARCH_6M__)
    return false;
#else
    DK_DEMCR = DK_DEMCR | DK_DEMCR_TRCENA;
    DK_DWT_LAR = DK_DWT_UNLOCK;
    DK_DWT_CTRL = DK_DWT_CTRL | DK_DWT_CTRL_CYCCNTENA;
    uint32_t start = dk_core_cycles();
    dk_core_sync();
    return dk_core_cycles() != start;
#endif
}

// The timer of a Cortex-M is a device or the core's cycle counter, which dk_core_cycles_start
// knows.
static inline bool dk_core_timer_is_cycles(void)
{
    return false;
}

// Set up the memory protection unit and turn on the caches, where the core has them; in memory.c.
void dk_core_memory(void);

// The handler of unexpected exceptions, in fault.c.
void dk_fault(void);

#endif
