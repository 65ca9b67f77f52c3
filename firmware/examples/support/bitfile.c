// SPDX-License-Identifier: BSD-3-Clause
// Reads and writes packet files.
#include "bitfile.h"

#define HEAD 8  // bytes before a packet

void bitfile_write(FILE *file, const uint8_t *packet, int32_t bytes)
{
    const uint32_t length = bytes > 0 ? (uint32_t)bytes : 0;
    const uint8_t head[HEAD] = {(uint8_t)(length >> 24), (uint8_t)(length >> 16),
                                (uint8_t)(length >> 8), (uint8_t)length};
    (void)fwrite(head, 1, HEAD, file);
    (void)fwrite(packet, 1, length, file);
}

int32_t bitfile_read(FILE *file, uint8_t *packet, size_t capacity)
{
    uint8_t head[HEAD];
    if (fread(head, 1, HEAD, file) != HEAD) {
        return -1;
    }
    const uint32_t length = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 |
                            (uint32_t)head[2] << 8 | (uint32_t)head[3];
    if (length > capacity || fread(packet, 1, length, file) != length) {
        return -1;
    }
    return (int32_t)length;
}
