// SPDX-License-Identifier: BSD-3-Clause
// The setup of an EK-RA8M1 (RA8M1 Group User's Manual: Hardware, R01UH0994, chapters "Clock
// Generation Circuit", "Flash Cache", "I/O Ports"; Renesas' register header R7FA8M1AH.h and the
// limits in its bsp_feature.h): 480 MHz from the board's 20 MHz crystal, the bus at 240 MHz; SCI9
// on PA14 and PA15, the debugger's serial port. The chip is in the Secure state, as after reset,
// with its option bytes as delivered.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"

#define REG8(address) (*(volatile uint8_t *)(uintptr_t)(address))
#define REG16(address) (*(volatile uint16_t *)(uintptr_t)(address))

#define ICU_IELSR(slot) DK_REG(0x40006300u + 4u * (slot))
#define FCACHEE REG16(0x4001C100u)
#define FCACHEIV REG16(0x4001C104u)
#define FLWT REG8(0x4001C11Cu)
#define SYSTEM 0x4001E000u
#define SCKDIVCR DK_REG(SYSTEM + 0x20u)
#define SCKDIVCR2 REG8(SYSTEM + 0x24u)
#define SCKSCR REG8(SYSTEM + 0x26u)
#define PLLCCR REG16(SYSTEM + 0x28u)
#define PLLCR REG8(SYSTEM + 0x2Au)
#define MOSCCR REG8(SYSTEM + 0x32u)
#define OSCSF REG8(SYSTEM + 0x3Cu)
#define PLLCCR2 REG16(SYSTEM + 0x4Cu)
#define SCICKDIVCR REG8(SYSTEM + 0x54u)
#define SCICKCR REG8(SYSTEM + 0x55u)
#define MOSCWTCR REG8(SYSTEM + 0xA2u)
#define PRCR REG16(SYSTEM + 0x3FAu)
#define MOMCR REG8(SYSTEM + 0xA50u)
#define MSTPCRB DK_REG(0x40203004u)
#define PFS(port, pin) DK_REG(0x40400800u + 0x40u * (port) + 4u * (pin))
#define PWPRS REG8(0x40400D14u)

#define UNLOCK 0xA503u  // PRCR: clocks and module stop
#define LOCK 0xA500u
#define WAITS_240_MHZ 4u        // FLWT: above 192 MHz of ICLK
#define DRIVE_20_MHZ (3u << 1)  // MOMCR: crystals of 8 to 24 MHz
#define CRYSTAL_WAIT 9u
#define CRYSTAL_STABLE (1u << 3)  // OSCSF
#define PLL_STABLE (1u << 5)      // OSCSF
#define DIVIDED_BY_2 1u           // PLLCCR (input), PLLCCR2 (outputs P, Q and R), SCKDIVCR
#define DIVIDED_BY_4 2u
#define DIVIDED_BY_8 3u
#define SOURCE_PLL 5u
#define SCI_DIVIDED_BY_5 6u
#define STOP_REQUEST (1u << 6)  // SCICKCR
#define STOPPED (1u << 7)
#define STOP_SCI9 (1u << 22)
#define WRITE_PFS (1u << 6)
#define EVENT_SCI9_RXI 0x163u
#define FUNCTION_SCI_ODD (5u << 24)  // PSEL
#define PERIPHERAL (1u << 16)        // PMR
#define MIDDLE_DRIVE (1u << 10)      // DSCR
#define PORT_A 10u

// FCK, ICK, PCKE, BCK, PCKA, PCKB, PCKC, PCKD: 60, 240, 240, 120, 120, 60, 60 and 120 MHz.
#define DIVIDERS \
    ((DIVIDED_BY_8 << 28) | (DIVIDED_BY_2 << 24) | (DIVIDED_BY_2 << 20) | (DIVIDED_BY_4 << 16) | \
     (DIVIDED_BY_4 << 12) | (DIVIDED_BY_8 << 8) | (DIVIDED_BY_8 << 4) | DIVIDED_BY_4)

#define CRYSTAL_HZ 20000000u
#define INPUT_HZ (CRYSTAL_HZ / 2u)
#define MULTIPLE 96u
#define PLL_HZ (INPUT_HZ * MULTIPLE / 2u)
static_assert(INPUT_HZ >= 6000000u && INPUT_HZ <= 12000000u, "the PLL's input");
static_assert(INPUT_HZ * MULTIPLE >= 640000000u && INPUT_HZ * MULTIPLE <= 1440000000u, "its VCO");
static_assert(PLL_HZ == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(PLL_HZ / 5u == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is SCICLK");
static_assert(PLL_HZ / 5u <= 120000000u, "SCICLK");

// Wait at least 150 us at 480 MHz: the clock may rise by 240 MHz at once only, with this pause.
static void settle(void)
{
    for (volatile uint32_t turns = 0; turns < 480u * 150u / 2u; turns++) {
    }
}

static void start_pll(void)
{
    MOMCR = DRIVE_20_MHZ;
    MOSCWTCR = CRYSTAL_WAIT;
    MOSCCR = 0;
    while (!(OSCSF & CRYSTAL_STABLE)) {
    }
    PLLCCR = ((MULTIPLE - 1u) << 8) | DIVIDED_BY_2;  // from the crystal
    PLLCCR2 = (DIVIDED_BY_2 << 8) | (DIVIDED_BY_2 << 4) | DIVIDED_BY_2;
    PLLCR = 0;
    while (!(OSCSF & PLL_STABLE)) {
    }
}

static void switch_clocks(void)
{
    FLWT = WAITS_240_MHZ;
    SCKDIVCR = DIVIDERS;
    SCKDIVCR2 = DIVIDED_BY_2;
    SCKSCR = SOURCE_PLL;
    settle();
    SCKDIVCR2 = 0;
    settle();
    SCICKCR |= STOP_REQUEST;
    while (!(SCICKCR & STOPPED)) {
    }
    SCICKDIVCR = SCI_DIVIDED_BY_5;
    SCICKCR = STOPPED | STOP_REQUEST | SOURCE_PLL;
    SCICKCR = STOPPED | SOURCE_PLL;
    while (SCICKCR & STOPPED) {
    }
}

static void give_to_sci9(uint32_t pin)
{
    PFS(PORT_A, pin) = MIDDLE_DRIVE;  // the function may change only while the pin is a port's
    PFS(PORT_A, pin) = MIDDLE_DRIVE | FUNCTION_SCI_ODD;
    PFS(PORT_A, pin) = MIDDLE_DRIVE | FUNCTION_SCI_ODD | PERIPHERAL;
}

void dk_setup(void)
{
    PRCR = UNLOCK;
    FCACHEIV = 1u;
    while (FCACHEIV) {
    }
    FCACHEE = 1u;
    start_pll();
    switch_clocks();
    MSTPCRB &= ~STOP_SCI9;
    (void)MSTPCRB;
    PRCR = LOCK;
    PWPRS = 0;
    PWPRS = WRITE_PFS;
    give_to_sci9(14u);
    give_to_sci9(15u);
    PWPRS = 0;
    ICU_IELSR(DK_BOARD_UART_IRQ) = EVENT_SCI9_RXI;
}
