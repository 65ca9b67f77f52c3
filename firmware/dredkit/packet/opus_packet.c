// SPDX-License-Identifier: BSD-3-Clause
// Parses untrusted Opus packets: packet/opus_packet.h.
#include "packet/opus_packet.h"

#define FRAME_MAX 1275u  // bytes
#define COUNT_MASK 0x3Fu
#define TWO_BYTES 252u  // from this value on, a frame's length takes two bytes

// Frame lengths in units of 2.5 ms by the TOC's configuration (RFC 6716, table 2).
static const uint8_t units_of[32] = {
    4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 16, 24,              // SILK
    4, 8, 4,  8,                                           // hybrid
    1, 2, 4,  8,  1, 2, 4,  8,  1, 2, 4,  8,  1, 2, 4, 8,  // CELT
};

// Read the frame count, the flags and the padding's length of a code-3 packet.
static int32_t read_code_3(const uint8_t *packet, dk_opus_packet *parts)
{
    if (parts->bytes < 2) {
        return DK_ERR_PACKET;
    }
    const unsigned count = packet[1] & COUNT_MASK;
    if (count == 0 || count > DK_PACKET_FRAMES_MAX) {
        return DK_ERR_PACKET;
    }
    size_t at = 2;
    size_t padded = 0;
    if ((packet[1] & DK_OPUS_PADDED) != 0) {
        unsigned byte = 0;
        do {
            if (at >= parts->bytes || padded > parts->bytes) {
                return DK_ERR_PACKET;
            }
            byte = packet[at++];
            padded += byte == UINT8_MAX ? DK_OPUS_LONG_PADDING : byte;
        } while (byte == UINT8_MAX);
    }
    if (padded > parts->bytes - at) {
        return DK_ERR_PACKET;
    }
    parts->frame_count = (uint8_t)count;
    parts->lengths = at;
    parts->padding = parts->bytes - padded;
    return 0;
}

// Frames of one length share the bytes between the head and the padding.
static int32_t share_equally(dk_opus_packet *parts)
{
    const size_t room = parts->padding - parts->lengths;
    if (room % parts->frame_count != 0 || room / parts->frame_count > FRAME_MAX) {
        return DK_ERR_PACKET;
    }
    parts->frames = parts->lengths;
    return 0;
}

// Read the lengths of all frames but the last, which takes the bytes that remain.
static int32_t read_lengths(const uint8_t *packet, dk_opus_packet *parts)
{
    size_t at = parts->lengths;
    size_t sum = 0;
    size_t first = 0;
    for (unsigned frame = 0; frame + 1 < parts->frame_count; frame++) {
        if (at >= parts->padding) {
            return DK_ERR_PACKET;
        }
        size_t size = packet[at++];
        if (size >= TWO_BYTES) {
            if (at >= parts->padding) {
                return DK_ERR_PACKET;
            }
            size += 4u * packet[at++];
        }
        first = frame == 0 ? size : first;
        parts->lengths_differ = parts->lengths_differ || size != first;
        sum += size;
    }
    if (sum > parts->padding - at) {
        return DK_ERR_PACKET;
    }
    const size_t last = parts->padding - at - sum;
    if (last > FRAME_MAX) {
        return DK_ERR_PACKET;
    }
    parts->lengths_differ = parts->lengths_differ || (parts->frame_count > 1 && last != first);
    parts->frames = at;
    return 0;
}

int32_t dk_opus_packet_parse(const uint8_t *packet, size_t bytes, dk_opus_packet *parts)
{
    if (packet == NULL || parts == NULL) {
        return DK_ERR_ARGUMENT;
    }
    if (bytes == 0 || bytes > INT32_MAX) {
        return DK_ERR_PACKET;
    }
    const unsigned code = packet[0] & 3u;
    *parts = (dk_opus_packet){
        .lengths = 1,
        .padding = bytes,
        .bytes = bytes,
        .toc = packet[0],
        .frame_count = code == 0 ? 1 : 2,
        .frame_units = units_of[packet[0] >> 3],
    };
    bool has_lengths = code == 2;
    if (code == 3) {
        const int32_t error = read_code_3(packet, parts);
        if (error < 0) {
            return error;
        }
        has_lengths = (packet[1] & DK_OPUS_VBR) != 0;
    }
    const int32_t error = has_lengths ? read_lengths(packet, parts) : share_equally(parts);
    if (error < 0) {
        return error;
    }
    const unsigned units = (unsigned)parts->frame_count * parts->frame_units;
    return units <= DK_PACKET_FRAMES_MAX ? 0 : DK_ERR_PACKET;
}

int32_t dk_packet_frames(const uint8_t *packet, size_t bytes)
{
    dk_opus_packet parts;
    const int32_t error = dk_opus_packet_parse(packet, bytes, &parts);
    return error < 0 ? error : parts.frame_count;
}

int32_t dk_packet_units(const uint8_t *packet, size_t bytes)
{
    dk_opus_packet parts;
    const int32_t error = dk_opus_packet_parse(packet, bytes, &parts);
    return error < 0 ? error : parts.frame_count * parts.frame_units;
}
