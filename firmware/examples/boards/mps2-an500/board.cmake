# SPDX-License-Identifier: BSD-3-Clause
# Cortex-M7. TIMER0 counts at 25 MHz: 25.6 ticks an instruction.
set(BOARD_CPU -mthumb -mcpu=cortex-m7+nofp -mfloat-abi=soft)
set(BOARD_CLOCK CLOCK_BASE=0x40000000u CLOCK_UNITS=5u CLOCK_TICKS=128u)
