# SPDX-License-Identifier: BSD-3-Clause
# Cortex-M33. The Secure TIMER0 counts at 20 MHz: 20.48 ticks an instruction.
set(BOARD_CPU -mthumb -mcpu=cortex-m33+nofp -mfloat-abi=soft)
set(BOARD_CLOCK CLOCK_BASE=0x50000000u CLOCK_UNITS=25u CLOCK_TICKS=512u)
