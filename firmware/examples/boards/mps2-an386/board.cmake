# SPDX-License-Identifier: BSD-3-Clause
# Cortex-M4. TIMER0 counts at 25 MHz: 25.6 ticks an instruction.
set(BOARD_CPU -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard)
set(BOARD_CLOCK CLOCK_BASE=0x40000000u CLOCK_UNITS=5u CLOCK_TICKS=128u)
