# SPDX-License-Identifier: BSD-3-Clause
# Builds for Linux: the kernels and the model as a library for cffi, and the server as a process.
if(DREDKIT_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
add_compile_options(${DREDKIT_CPU_FLAGS})
add_link_options(${DREDKIT_CPU_FLAGS})

add_library(dredkit_host SHARED ${kernels} ${generated})
set_target_properties(dredkit_host PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_link_options(dredkit_host PRIVATE -Wl,--build-id=sha1 -Wl,--no-undefined)

file(GLOB port_sources CONFIGURE_DEPENDS firmware/port/posix/*.c)
list(FILTER port_sources EXCLUDE REGEX "/timer_[^/]*$")
list(APPEND port_sources ${DREDKIT_DRIVERS})
if(DREDKIT_SERVER AND port_sources)
  # A posix port may have its own main, for its command line.
  if(EXISTS "${CMAKE_SOURCE_DIR}/firmware/port/posix/main.c")
    list(FILTER app EXCLUDE REGEX "/main\\.c$")
  endif()
  add_executable(dredkit_server
    ${port_sources} ${app} ${kernels} ${generated})
  target_compile_definitions(dredkit_server PRIVATE _POSIX_C_SOURCE=200809L)
  target_include_directories(dredkit_server PRIVATE firmware/port/posix)
  target_link_options(dredkit_server PRIVATE -Wl,--build-id=sha1)
  if(CMAKE_CROSSCOMPILING)
    # It runs on a machine with other libraries than this one has.
    target_link_options(dredkit_server PRIVATE -static)
  endif()
endif()
