# SPDX-License-Identifier: BSD-3-Clause
# Linux on 64-bit Arm; the programs run under qemu-aarch64 on another host.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
