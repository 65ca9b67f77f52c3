// SPDX-License-Identifier: BSD-3-Clause
// Makes libopus on a 64-bit host round as on a 32-bit core. Opus' arch.h chooses products of 64
// bits by these two macros, which round otherwise than its products for 32-bit cores; with them
// hidden here, a host gives the packets and samples of a Cortex-M. CMakeLists.txt includes this
// header before each of libopus' files.
#ifndef EXAMPLES_AS_ON_32_BITS_H
#define EXAMPLES_AS_ON_32_BITS_H

// System headers need the macros, so they come first.
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef __LP64__
#undef __x86_64__
#include "arch.h"

#endif
