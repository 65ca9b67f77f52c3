// SPDX-License-Identifier: BSD-3-Clause
// Changes the padding of a packet in place: dredkit/packet.h.
#include <string.h>

#include "packet/framing.h"

#define HEAD 2u  // the TOC and the frame count, before the padding's length
#define LACE 255u

// How the parts of a packet move. The frames of a code-2 packet and of a code-3 packet already
// have their coded lengths in front of them, so that lengths and frames move as one body.
typedef struct {
    dk_opus_packet parts;
    size_t body;     // the first byte that moves
    size_t head;     // the new place of the body
    size_t added;    // bytes of the new extension
    size_t kept;     // bytes of old padding, which follow it
    size_t padding;  // added + kept
    size_t bytes;    // of the new packet
} changes;

// Complete the changes from the parts, `added` and `kept`.
static void plan(changes *to)
{
    const dk_opus_packet *parts = &to->parts;
    to->padding = to->added + to->kept;
    to->head = HEAD;
    if (to->padding > 0) {
        to->head += 1 + (to->padding - 1) / DK_OPUS_LONG_PADDING;
    }
    to->body = parts->lengths_differ ? parts->lengths : parts->frames;
    to->bytes = to->head + (parts->padding - to->body) + to->padding;
}

static void write_head(uint8_t *packet, const changes *to)
{
    const dk_opus_packet *parts = &to->parts;
    packet[0] = parts->toc | 3u;
    packet[1] = (uint8_t)(parts->frame_count | (parts->lengths_differ ? DK_OPUS_VBR : 0u) |
                          (to->padding > 0 ? DK_OPUS_PADDED : 0u));
    if (to->padding > 0) {
        const size_t longs = to->head - HEAD - 1;
        memset(packet + HEAD, UINT8_MAX, longs);
        packet[HEAD + longs] = (uint8_t)(to->padding - DK_OPUS_LONG_PADDING * longs);
    }
}

// Move the body and the kept padding. Leaves `added` bytes between the two. The padding moves at
// least as far to the right as the body does: it goes first if it moves to the right, and last if
// it moves to the left, so that neither overwrites the other.
static void apply(uint8_t *packet, const changes *to)
{
    const dk_opus_packet *parts = &to->parts;
    const size_t padding_to = to->bytes - to->kept;
    if (padding_to >= parts->padding) {
        memmove(packet + padding_to, packet + parts->padding, to->kept);
    }
    memmove(packet + to->head, packet + to->body, parts->padding - to->body);
    if (padding_to < parts->padding) {
        memmove(packet + padding_to, packet + parts->padding, to->kept);
    }
    write_head(packet, to);
}

// Return 0 if an extension with this ID can be added to the packet, else an error. Sets `kept`.
static int32_t read_present(const uint8_t *packet, unsigned id, changes *to)
{
    dk_extension_reader reader;
    dk_extension extension;
    bool has_id = false;
    int32_t result = 0;
    dk_extension_begin(&reader, packet, &to->parts);
    while ((result = dk_extension_next(&reader, &extension)) > 0) {
        has_id = has_id || extension.id == id;
        to->kept = to->parts.bytes - to->parts.padding;
    }
    if (result == 0 && (has_id || (to->kept > 0 && reader.repeats_start))) {
        return DK_ERR_PRESENT;
    }
    return result;
}

// Plan to add a payload. Returns 0 or an error.
static int32_t plan_payload(const uint8_t *packet, size_t bytes, size_t payload_bytes,
                            const dk_packet_framing *framing, changes *to)
{
    if (packet == NULL || framing == NULL || !dk_framing_is_sound(framing)) {
        return DK_ERR_ARGUMENT;
    }
    if (payload_bytes == 0 || payload_bytes > DK_PACKET_PAYLOAD_MAX) {
        return DK_ERR_LENGTH;
    }
    to->added = to->kept = 0;
    int32_t error = dk_opus_packet_parse(packet, bytes, &to->parts);
    if (error == 0) {
        error = read_present(packet, framing->id, to);
    }
    if (error < 0) {
        return error;
    }
    const size_t data = framing->prefix_bytes + payload_bytes;
    to->added = 1 + (to->kept > 0 ? data / LACE + 1 : 0) + data;
    plan(to);
    return to->bytes <= INT32_MAX ? 0 : DK_ERR_OVERRUN;
}

int32_t dk_packet_added_bytes(const uint8_t *packet, size_t bytes, size_t payload_bytes,
                              const dk_packet_framing *framing)
{
    changes to;
    const int32_t error = plan_payload(packet, bytes, payload_bytes, framing, &to);
    return error < 0 ? error : (int32_t)to.bytes;
}

int32_t dk_packet_add(uint8_t *packet, size_t bytes, size_t capacity, const uint8_t *payload,
                      size_t payload_bytes, const dk_packet_framing *framing)
{
    if (payload == NULL || bytes > capacity) {
        return DK_ERR_ARGUMENT;
    }
    changes to;
    const int32_t error = plan_payload(packet, bytes, payload_bytes, framing, &to);
    if (error < 0) {
        return error;
    }
    if (to.bytes > capacity) {
        return DK_ERR_OVERRUN;
    }
    apply(packet, &to);
    const bool is_last = to.kept == 0;  // then it has no length: it takes all bytes that remain
    uint8_t *at = packet + (to.bytes - to.padding);
    *at++ = (uint8_t)((unsigned)framing->id << 1 | (is_last ? 0u : 1u));
    if (!is_last) {
        const size_t data = framing->prefix_bytes + payload_bytes;
        memset(at, UINT8_MAX, data / LACE);
        at += data / LACE;
        *at++ = (uint8_t)(data % LACE);
    }
    memcpy(at, framing->prefix, framing->prefix_bytes);
    memcpy(at + framing->prefix_bytes, payload, payload_bytes);
    return (int32_t)to.bytes;
}

int32_t dk_packet_strip(uint8_t *packet, size_t bytes)
{
    changes to = {.added = 0, .kept = 0};
    const int32_t error = dk_opus_packet_parse(packet, bytes, &to.parts);
    if (error < 0) {
        return error;
    }
    if (to.parts.padding == bytes) {
        return (int32_t)bytes;
    }
    plan(&to);
    apply(packet, &to);
    return (int32_t)to.bytes;
}
