# SPDX-License-Identifier: BSD-3-Clause
# The network kernels: firmware/nn/*.c, and for every kernel with variants the one of the ISA where
# there is one, else the portable one of the same file name under firmware/nn/c/.
function(dredkit_kernels result isa)
  set(nn "${CMAKE_SOURCE_DIR}/firmware/nn")
  file(GLOB common CONFIGURE_DEPENDS "${nn}/*.c")
  file(GLOB portable CONFIGURE_DEPENDS "${nn}/c/*.c")
  set(files ${common})
  foreach(file IN LISTS portable)
    get_filename_component(name "${file}" NAME)
    if(EXISTS "${nn}/${isa}/${name}")
      list(APPEND files "${nn}/${isa}/${name}")
    else()
      list(APPEND files "${file}")
    endif()
  endforeach()
  set(${result} ${files} PARENT_SCOPE)
endfunction()
