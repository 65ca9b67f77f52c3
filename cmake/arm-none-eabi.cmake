# SPDX-License-Identifier: BSD-3-Clause
# Bare-metal Arm. The flags of the core come from the target's TOML, through board.cmake.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
# Saves CMake's own trial: there is no start-up code to link a program with here, and a compiler
# that does not work says so at the first file.
set(CMAKE_C_COMPILER_WORKS ON)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
