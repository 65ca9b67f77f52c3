// SPDX-License-Identifier: BSD-3-Clause
// Written by toolkit/codegen/constants/version.py: do not edit.
// The version of the library. Minor versions of 0.x may change functions and formats.
#ifndef DREDKIT_VERSION_H
#define DREDKIT_VERSION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_VERSION_MAJOR 0
#define DK_VERSION_MINOR 2
#define DK_VERSION_PATCH 0
#define DK_VERSION_STRING "0.2.0"
// One number that grows with the version: 0x00MMmmpp.
#define DK_VERSION (DK_VERSION_MAJOR * 65536 + DK_VERSION_MINOR * 256 + DK_VERSION_PATCH)

// Return DK_VERSION of the compiled library. It differs from the macro in an application that was
// compiled with headers of another version.
uint32_t dk_version(void);

#ifdef __cplusplus
}
#endif

#endif
