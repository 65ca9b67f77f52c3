// SPDX-License-Identifier: BSD-3-Clause
// The setup of a SAM V71 Xplained Ultra (Microchip DS60001527, chapters "Power Management
// Controller", "Enhanced Embedded Flash Controller", "Parallel Input/Output Controller"): 300 MHz
// from the board's 12 MHz crystal, the peripherals at 150 MHz; USART1 on PA21 and PB4, the
// debugger's serial port. The watchdog runs after reset and is turned off.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"
#include "wait.h"

#define MATRIX_CCFG_SYSIO DK_REG(0x40088114u)
#define PMC 0x400E0600u
#define PMC_PCER0 DK_REG(PMC + 0x10u)
#define CKGR_MOR DK_REG(PMC + 0x20u)
#define CKGR_PLLAR DK_REG(PMC + 0x28u)
#define PMC_MCKR DK_REG(PMC + 0x30u)
#define PMC_SR DK_REG(PMC + 0x68u)
#define EEFC_FMR DK_REG(0x400E0C00u)
#define PIOA 0x400E0E00u
#define PIOB 0x400E1000u
#define PIO_PDR(port) DK_REG((port) + 0x04u)
#define PIO_ABCDSR1(port) DK_REG((port) + 0x70u)
#define PIO_ABCDSR2(port) DK_REG((port) + 0x74u)
#define WDT_MR DK_REG(0x400E1854u)

#define WATCHDOG_OFF (1u << 15)
#define MOR_KEY (0x37u << 16)
#define CRYSTAL_ON (1u << 0)       // CKGR_MOR
#define CRYSTAL_START (255u << 8)  // CKGR_MOR: the longest start-up time
#define RC_ON (1u << 3)            // CKGR_MOR
#define USE_CRYSTAL (1u << 24)     // CKGR_MOR
#define CRYSTAL_STABLE (1u << 0)   // PMC_SR
#define PLLA_LOCKED (1u << 1)
#define MASTER_READY (1u << 3)
#define CRYSTAL_IN_USE (1u << 16)
#define PLLA_ONE (1u << 29)  // must be set
#define PLLA_COUNT (63u << 8)
#define WAITS_150_MHZ (5u << 8)  // EEFC_FMR
#define LOOP_BUFFER (1u << 26)   // EEFC_FMR: CLOE, its value after reset
#define MASTER_HALF (1u << 8)    // PMC_MCKR: the peripherals' clock is half the core's
#define SOURCE_MAIN 1u           // PMC_MCKR
#define SOURCE_PLLA 2u           // PMC_MCKR
#define PB4_IS_NO_TDI (1u << 4)  // MATRIX_CCFG_SYSIO
#define USART1_CLOCK (1u << 14)

#define CRYSTAL_HZ 12000000u
#define MULTIPLE 25u
static_assert(CRYSTAL_HZ * MULTIPLE >= 160000000u && CRYSTAL_HZ * MULTIPLE <= 500000000u, "PLLA");
static_assert(CRYSTAL_HZ * MULTIPLE == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(DK_BOARD_CLOCK_HZ / 2u == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is MCK");

static void start_crystal(void)
{
    uint32_t mode = (CKGR_MOR & (7u << 4)) | MOR_KEY | CRYSTAL_START | RC_ON | CRYSTAL_ON;
    CKGR_MOR = mode;
    dk_wait_for(&PMC_SR, CRYSTAL_STABLE, CRYSTAL_STABLE);
    CKGR_MOR = mode | USE_CRYSTAL;
    dk_wait_for(&PMC_SR, CRYSTAL_IN_USE, CRYSTAL_IN_USE);
}

// Source, prescaler and divider change one at a time, as the manual asks.
static void set_master(uint32_t value)
{
    PMC_MCKR = value;
    dk_wait_for(&PMC_SR, MASTER_READY, MASTER_READY);
}

void dk_setup(void)
{
    WDT_MR = WATCHDOG_OFF;  // may be written once
    start_crystal();
    set_master(SOURCE_MAIN);
    EEFC_FMR = WAITS_150_MHZ | LOOP_BUFFER;
    CKGR_PLLAR = PLLA_ONE | ((MULTIPLE - 1u) << 16) | PLLA_COUNT | 1u;  // not divided before
    dk_wait_for(&PMC_SR, PLLA_LOCKED, PLLA_LOCKED);
    set_master(MASTER_HALF | SOURCE_MAIN);
    set_master(MASTER_HALF | SOURCE_PLLA);
    PMC_PCER0 = USART1_CLOCK;
    MATRIX_CCFG_SYSIO |= PB4_IS_NO_TDI;
    PIO_ABCDSR1(PIOA) &= ~(1u << 21);  // PA21: function A
    PIO_ABCDSR2(PIOA) &= ~(1u << 21);
    PIO_PDR(PIOA) = 1u << 21;
    PIO_ABCDSR1(PIOB) |= 1u << 4;  // PB4: function D
    PIO_ABCDSR2(PIOB) |= 1u << 4;
    PIO_PDR(PIOB) = 1u << 4;
}
