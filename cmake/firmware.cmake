# SPDX-License-Identifier: BSD-3-Clause
# Builds one image for a board without an operating system: start-up, port, server, kernels and the
# generated model.
set(port "firmware/port/${DREDKIT_SYSTEM}")
set(baremetal "firmware/port/baremetal")
set(port_sources
  ${baremetal}/port.c ${baremetal}/limits.c ${baremetal}/report.c
  ${port}/startup.c ${port}/fault.c ${DREDKIT_DRIVERS})
if(DREDKIT_SYSTEM STREQUAL "cortexm")
  list(APPEND port_sources ${port}/memory.c)
endif()
if(DREDKIT_SYSTEM MATCHES "^(aarch64|armv7a)$")
  # What both families share.
  set(shared "firmware/port/cortexa")
  list(APPEND port_sources ${shared}/gic.c)
endif()
set(libraries -lc -lgcc)
if(shared)
  # This code runs before the memory attributes are set up, and in the interrupt, which does not
  # save the vector registers.
  set_source_files_properties(${port_sources} PROPERTIES COMPILE_OPTIONS
    "-mgeneral-regs-only;$<IF:$<STREQUAL:${DREDKIT_SYSTEM},aarch64>,-mstrict-align,-mno-unaligned-access>")
endif()
if(DREDKIT_SYSTEM STREQUAL "aarch64")
  # This compiler's C library is for Linux. memory.c has the functions that the compiler calls.
  set(libraries -lgcc)
  add_compile_options(-fno-pie -fno-asynchronous-unwind-tables)
  add_link_options(-no-pie)
  set_source_files_properties(${port}/memory.c PROPERTIES COMPILE_OPTIONS -mgeneral-regs-only)
  list(APPEND port_sources ${port}/memory.c)
endif()
add_executable(firmware ${port_sources} ${app} ${kernels} ${generated})
set_target_properties(firmware PROPERTIES SUFFIX ".elf" LINK_DEPENDS "${DREDKIT_BOARD}/link.ld")
target_include_directories(firmware PRIVATE ${port} ${baremetal})
target_compile_options(firmware PRIVATE
  ${DREDKIT_CPU_FLAGS} -ffunction-sections -fdata-sections -fno-common
  # Write each function's stack use and calls, which toolkit/device/build/callgraph.py reads.
  -fstack-usage -fcallgraph-info=su)
target_link_options(firmware PRIVATE
  ${DREDKIT_CPU_FLAGS} -nostartfiles -static "-T${DREDKIT_BOARD}/link.ld"
  # Link no libraries but those named below: the compiler calls memcpy and the like. No -lm.
  -nodefaultlibs
  -Wl,--gc-sections -Wl,--build-id=sha1 -Wl,--fatal-warnings
  "-Wl,-Map=${CMAKE_CURRENT_BINARY_DIR}/firmware.map")
target_link_libraries(firmware PRIVATE ${libraries})
