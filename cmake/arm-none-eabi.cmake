# SPDX-License-Identifier: BSD-3-Clause
# Bare-metal Arm. The flags of the core come from the target's TOML, through board.cmake.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
# Skip CMake's trial program: there is no start-up code to link it with, and a compiler that does
# not work fails at the first file anyway.
set(CMAKE_C_COMPILER_WORKS ON)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
