# SPDX-License-Identifier: BSD-3-Clause
# Builds an image for a board from a folder of `dredkit package` and the program in DREDKIT_APP:
# `dredkit package` measures such an image.
file(GLOB_RECURSE kernels CONFIGURE_DEPENDS "${DREDKIT_PACKAGE}/src/*.c")
file(GLOB app CONFIGURE_DEPENDS "${DREDKIT_APP}/*.c")
add_compile_options(${DREDKIT_OPTIMISE} -g -Wall -Wextra -Werror)
include_directories(
  "${DREDKIT_PACKAGE}/include" "${DREDKIT_PACKAGE}/src" firmware/server/include "${DREDKIT_APP}"
  "${DREDKIT_BOARD}")
include(cmake/firmware.cmake)
