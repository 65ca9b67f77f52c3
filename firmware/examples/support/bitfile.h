// SPDX-License-Identifier: BSD-3-Clause
// opus_demo's packet file (.bit): for each packet its length, the coder's final range (0: unknown)
// and its bytes. Both numbers have 32 bits, most significant byte first. Length 0 is a lost packet.
#ifndef EXAMPLES_BITFILE_H
#define EXAMPLES_BITFILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

// Write a packet.
void bitfile_write(FILE *file, const uint8_t *packet, int32_t bytes);

// Read the next packet. Returns its length, 0 for a lost one, or -1 at the end of the file and for
// a packet of more than `capacity` bytes.
int32_t bitfile_read(FILE *file, uint8_t *packet, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
