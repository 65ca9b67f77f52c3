// SPDX-License-Identifier: BSD-3-Clause
// zlib's CRC-32, which finds damage on the way. It does not stop anyone who means to deceive.
#ifndef DREDKIT_WEIGHTS_CRC32_H
#define DREDKIT_WEIGHTS_CRC32_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Return zlib's CRC-32 (reflected 0xEDB88320). Start with crc = 0; to continue, pass the last
// result.
uint32_t dk_crc32(uint32_t crc, const uint8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
