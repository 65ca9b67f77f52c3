# SPDX-License-Identifier: BSD-3-Clause
# The network kernels: firmware/dredkit/nn/*.c, and of each kernel the file in the first of the folders
# `isas` of firmware/dredkit/nn that has one: toolkit/targets/isas.py has the order, board.cmake tells it.
function(dredkit_kernels result isas)
  set(nn "${CMAKE_SOURCE_DIR}/firmware/nn")
  file(GLOB chosen CONFIGURE_DEPENDS "${nn}/*.c")
  set(taken)
  foreach(isa IN LISTS isas)
    file(GLOB special CONFIGURE_DEPENDS "${nn}/${isa}/*.c")
    foreach(file IN LISTS special)
      get_filename_component(name "${file}" NAME)
      if(NOT name IN_LIST taken)
        list(APPEND chosen "${file}")
        list(APPEND taken "${name}")
      endif()
    endforeach()
  endforeach()
  set(${result} ${chosen} PARENT_SCOPE)
endfunction()
