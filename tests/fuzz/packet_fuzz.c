// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer target for the packet functions: any bytes. The first byte of an input chooses the
// length of the payload to add. What was added must be found again, frames must stay as they were,
// and a refused packet must stay untouched.
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "packet/extension.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static uint8_t *copy_of(const uint8_t *from, size_t bytes, size_t capacity)
{
    uint8_t *room = malloc(capacity);
    require(room != NULL);
    memcpy(room, from, bytes);
    return room;
}

// The frames of both packets are the same bytes in the same order.
static void require_same_frames(const uint8_t *one, size_t one_bytes, const uint8_t *other,
                                size_t other_bytes)
{
    dk_opus_packet a, b;
    require(dk_opus_packet_parse(one, one_bytes, &a) == 0);
    require(dk_opus_packet_parse(other, other_bytes, &b) == 0);
    require(a.frame_count == b.frame_count && a.frame_units == b.frame_units);
    require(a.lengths_differ == b.lengths_differ);
    require(a.padding - a.frames == b.padding - b.frames);
    require(memcmp(one + a.frames, other + b.frames, a.padding - a.frames) == 0);
    require(!a.lengths_differ ||
            (a.frames - a.lengths == b.frames - b.lengths &&
             memcmp(one + a.lengths, other + b.lengths, a.frames - a.lengths) == 0));
}

static void add(const uint8_t *packet, size_t bytes, const dk_packet_framing *framing,
                size_t payload_bytes)
{
    static const uint8_t payload[DK_PACKET_PAYLOAD_MAX] = {'p', 'a', 'y'};
    const size_t capacity = bytes + payload_bytes + DK_PACKET_OVERHEAD;
    const int32_t wanted = dk_packet_added_bytes(packet, bytes, payload_bytes, framing);
    uint8_t *room = copy_of(packet, bytes, capacity);
    const int32_t result = dk_packet_add(room, bytes, capacity, payload, payload_bytes, framing);
    require(result == wanted && result != DK_ERR_OVERRUN && result != DK_ERR_ARGUMENT);
    if (result < 0) {
        require(memcmp(room, packet, bytes) == 0);
    } else {
        dk_packet_found found;
        const size_t now = (size_t)result;
        require(dk_packet_find(room, now, framing, 1, &found) == (int32_t)payload_bytes);
        require(found.frame_offset == 0 && memcmp(found.payload, payload, payload_bytes) == 0);
        require(dk_packet_add(room, now, capacity, payload, 1, framing) == DK_ERR_PRESENT);
        require_same_frames(packet, bytes, room, now);
        const int32_t stripped = dk_packet_strip(room, now);
        require(stripped > 0 && stripped < result);
        require_same_frames(packet, bytes, room, (size_t)stripped);
        require(dk_packet_find(room, (size_t)stripped, framing, 1, &found) == 0);
    }
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const size_t payload_bytes = 1 + data[0] * (size_t)(DK_PACKET_PAYLOAD_MAX - 1) / UINT8_MAX;
    const size_t bytes = size - 1;
    // On the heap, so that the sanitizer sees every byte outside.
    uint8_t *packet = copy_of(data + 1, bytes, bytes);
    dk_packet_found found;
    const int32_t result = dk_packet_find(packet, bytes, dk_packet_framings, 2, &found);
    require((result > 0) == (found.payload != NULL) && (size_t)abs(result) <= bytes + 14);
    require(result <= 0 || (found.payload > packet && found.frame_offset < DK_PACKET_FRAMES_MAX &&
                            found.payload + found.bytes <= packet + bytes));
    require((dk_packet_frames(packet, bytes) < 0) == (dk_packet_units(packet, bytes) < 0));
    for (unsigned i = 0; i < 2; i++) {
        add(packet, bytes, &dk_packet_framings[i], payload_bytes);
    }
    free(packet);
    return 0;
}
