// SPDX-License-Identifier: BSD-3-Clause
// The driver of the Generic Interrupt Controller, version 2 (Arm IHI 0048).
#include "board.h"
#include "core.h"

#define GICD_CTLR DK_REG(DK_BOARD_GIC_DISTRIBUTOR + 0x000u)
#define GICD_ISENABLER(n) DK_REG(DK_BOARD_GIC_DISTRIBUTOR + 0x100u + 4u * (n))
#define GICD_ISPENDR(n) DK_REG(DK_BOARD_GIC_DISTRIBUTOR + 0x200u + 4u * (n))
#define GICD_ITARGETSR(n) DK_REG(DK_BOARD_GIC_DISTRIBUTOR + 0x800u + 4u * (n))
#define GICC_CTLR DK_REG(DK_BOARD_GIC_CPU + 0x00u)
#define GICC_PMR DK_REG(DK_BOARD_GIC_CPU + 0x04u)
#define GICC_IAR DK_REG(DK_BOARD_GIC_CPU + 0x0Cu)
#define GICC_EOIR DK_REG(DK_BOARD_GIC_CPU + 0x10u)

#define ALL_PRIORITIES 0xFFu
#define IRQ_NUMBER 0x3FFu

// The vector calls this after it has saved the interrupted code's registers.
void dk_irq(void);

void dk_core_enable(uint32_t irq)
{
    GICD_CTLR = 1u;
    GICD_ITARGETSR(irq / 4u) |= 1u << (irq % 4u * 8u);  // the first core
    GICD_ISENABLER(irq / 32u) = 1u << (irq % 32u);
    GICC_PMR = ALL_PRIORITIES;
    GICC_CTLR = 1u;
    dk_core_release(0);
}

void dk_core_pend(uint32_t irq, uint32_t mask)
{
    GICD_ISPENDR(irq / 32u) = mask;
    dk_core_sync();
}

__attribute__((used)) void dk_irq(void)
{
    uint32_t taken = GICC_IAR;
    if ((taken & IRQ_NUMBER) == DK_BOARD_UART_IRQ) {
        dk_uart_isr();
        GICC_EOIR = taken;
    }
}
