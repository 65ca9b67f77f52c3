# SPDX-License-Identifier: BSD-3-Clause
# One image for a Cortex-M: startup, port, server, kernels and the generated model.
set(port "firmware/port/cortexm")
add_executable(firmware
  ${port}/startup.c ${port}/fault.c ${port}/limits.c ${port}/port.c ${port}/setup_${DREDKIT_SETUP}.c
  ${port}/uart_${DREDKIT_UART}.c ${port}/timer_${DREDKIT_TIMER}.c
  ${app} ${kernels} ${generated})
set_target_properties(firmware PROPERTIES SUFFIX ".elf" LINK_DEPENDS "${DREDKIT_BOARD}/link.ld")
target_include_directories(firmware PRIVATE ${port})
target_compile_options(firmware PRIVATE
  ${DREDKIT_CPU_FLAGS} -ffunction-sections -fdata-sections -fno-common
  # Stack use of each function and who calls whom: read by toolkit/elf.py.
  -fstack-usage -fcallgraph-info=su)
target_link_options(firmware PRIVATE
  ${DREDKIT_CPU_FLAGS} -nostartfiles -static "-T${DREDKIT_BOARD}/link.ld"
  # Of the C library only what the compiler itself asks for, such as memcpy; no -lm.
  -nodefaultlibs
  -Wl,--gc-sections -Wl,--build-id=sha1 -Wl,--fatal-warnings
  "-Wl,-Map=${CMAKE_CURRENT_BINARY_DIR}/firmware.map")
target_link_libraries(firmware PRIVATE -lc -lgcc)
