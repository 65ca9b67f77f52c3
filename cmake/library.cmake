# SPDX-License-Identifier: BSD-3-Clause
# Lists the C files of the library's rooms, including the variants for all instruction sets: the
# compiler's own macros choose one of each (firmware/dredkit/dk_isa.h). toolkit/targets/sources.py
# lists the same files.
function(dredkit_room result)
  set(found)
  foreach(room IN LISTS ARGN)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/firmware/dredkit/${room}/*.c")
    list(APPEND found ${files})
  endforeach()
  set(${result} ${found} PARENT_SCOPE)
endfunction()

# Lists the C files that all voices share, and the files of one voice.
function(dredkit_voice result voice)
  dredkit_room(found vocoder)
  list(FILTER found INCLUDE REGEX "/(synthesis|${voice})[^/]*$")
  set(${result} ${found} PARENT_SCOPE)
endfunction()
