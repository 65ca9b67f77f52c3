# SPDX-License-Identifier: BSD-3-Clause
# Cortex-M55. The Secure system counter counts at 32 MHz: 32.768 ticks an instruction.
set(BOARD_CPU -mthumb -mcpu=cortex-m55+nofp -mfloat-abi=hard)
set(BOARD_CLOCK CLOCK_SSE CLOCK_BASE=0x58100000u CLOCK_UNITS=125u CLOCK_TICKS=4096u)
