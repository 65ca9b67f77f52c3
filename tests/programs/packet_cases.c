// SPDX-License-Identifier: BSD-3-Clause
// Calls every function of dredkit/packet.h on cases from standard input, and writes the results to
// standard output; tests/support/packet_native.py describes both. Every buffer has exactly the size
// that the function is told, so that the address sanitizer sees each byte outside. On an emulated
// board (FILES) cases.bin and answers.bin are in place of both, by semihosting.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dredkit/packet.h"

#define FREE_BYTE 0xA5

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static uint8_t *take(size_t bytes)
{
    uint8_t *room = malloc(bytes);
    require(room != NULL && fread(room, 1, bytes, stdin) == bytes);
    return room;
}

static uint8_t *copy_of(const uint8_t *from, size_t bytes, size_t capacity)
{
    uint8_t *room = malloc(capacity);
    require(room != NULL);
    memset(room, FREE_BYTE, capacity);
    memcpy(room, from, bytes);
    return room;
}

static void put(int32_t value)
{
    require(fwrite(&value, sizeof value, 1, stdout) == 1);
}

static void put_bytes(const uint8_t *bytes, int32_t count)
{
    put(count);
    if (count > 0) {
        require(fwrite(bytes, 1, (size_t)count, stdout) == (size_t)count);
    }
}

static void find(const uint8_t *packet, size_t bytes, const dk_packet_framing *framings,
                 size_t count)
{
    dk_packet_found found;
    const int32_t result = dk_packet_find(packet, bytes, framings, count, &found);
    require((found.payload != NULL) == (result > 0));
    require(found.bytes == (result > 0 ? (size_t)result : 0));
    put(found.frame_offset);
    put(found.framing);
    put(found.other_version);
    put_bytes(found.payload, result);
}

static void add(const uint8_t *packet, size_t bytes, size_t capacity, const uint8_t *payload,
                size_t payload_bytes, const dk_packet_framing *framing)
{
    uint8_t *room = copy_of(packet, bytes, capacity);
    put(dk_packet_added_bytes(packet, bytes, payload_bytes, framing));
    const int32_t result = dk_packet_add(room, bytes, capacity, payload, payload_bytes, framing);
    const size_t used = result < 0 ? bytes : (size_t)result;
    require(result >= 0 || memcmp(room, packet, bytes) == 0);
    require(result < 0 || used <= bytes + payload_bytes + DK_PACKET_OVERHEAD);
    // A packet that loses plain padding may become shorter; the rest of its buffer is unspecified.
    for (size_t i = used > bytes ? used : bytes; i < capacity; i++) {
        require(room[i] == FREE_BYTE);
    }
    put_bytes(room, result);
    free(room);
}

static void strip(const uint8_t *packet, size_t bytes)
{
    uint8_t *room = copy_of(packet, bytes, bytes);
    const int32_t result = dk_packet_strip(room, bytes);
    require(result >= 0 ? (size_t)result <= bytes : memcmp(room, packet, bytes) == 0);
    put_bytes(room, result);
    free(room);
}

int main(void)
{
#if defined(FILES)
    require(freopen("cases.bin", "rb", stdin) != NULL);
    require(freopen("answers.bin", "wb", stdout) != NULL);
#endif
    uint32_t head[4];  // bytes of the packet, capacity, bytes of the payload, number of framings
    while (fread(head, sizeof head, 1, stdin) == 1) {
        dk_packet_framing *framings = (dk_packet_framing *)take(head[3] * sizeof *framings);
        uint8_t *packet = take(head[0]);
        uint8_t *payload = take(head[2]);
        put(dk_packet_frames(packet, head[0]));
        put(dk_packet_units(packet, head[0]));
        find(packet, head[0], framings, head[3]);
        add(packet, head[0], head[1], payload, head[2], framings);
        strip(packet, head[0]);
        free(framings);
        free(packet);
        free(payload);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
