# SPDX-License-Identifier: BSD-3-Clause
# The network kernels: firmware/nn/*.c, all that is under firmware/nn/<isa>/, and what is portable
# under firmware/nn/c/ without a file of the same name there.
function(dredkit_kernels result isa)
  set(nn "${CMAKE_SOURCE_DIR}/firmware/nn")
  file(GLOB common CONFIGURE_DEPENDS "${nn}/*.c")
  file(GLOB portable CONFIGURE_DEPENDS "${nn}/c/*.c")
  set(special)
  if(NOT isa STREQUAL "c")
    file(GLOB special CONFIGURE_DEPENDS "${nn}/${isa}/*.c")
  endif()
  foreach(file IN LISTS special)
    get_filename_component(name "${file}" NAME)
    list(REMOVE_ITEM portable "${nn}/c/${name}")
  endforeach()
  set(${result} ${common} ${portable} ${special} PARENT_SCOPE)
endfunction()
