// SPDX-License-Identifier: BSD-3-Clause
// The version of the library: semantic versioning of the functions and structs in these headers.
#ifndef DREDKIT_VERSION_H
#define DREDKIT_VERSION_H

#define DK_VERSION_MAJOR 0
#define DK_VERSION_MINOR 2
#define DK_VERSION_PATCH 0
#define DK_VERSION_TEXT "0.2.0"

#endif
