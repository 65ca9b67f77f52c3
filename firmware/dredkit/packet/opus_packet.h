// SPDX-License-Identifier: BSD-3-Clause
// The parts of an Opus packet of any code (RFC 6716, section 3). quantize/packet/opus_packet.py
// defines it.
#ifndef DREDKIT_PACKET_OPUS_PACKET_H
#define DREDKIT_PACKET_OPUS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dredkit/packet.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_OPUS_VBR 0x80u          // flags of a code-3 packet's second byte
#define DK_OPUS_PADDED 0x40u       // padding follows the frames, and its length this byte
#define DK_OPUS_LONG_PADDING 254u  // bytes of padding for each 255 in the padding's length

// Where the parts of a packet lie, as byte offsets: head, lengths, frames, padding.
typedef struct {
    size_t lengths;       // the coded lengths of all frames but the last; none in CBR
    size_t frames;        // the first frame
    size_t padding;       // the end of the last frame
    size_t bytes;         // the end of the packet
    uint8_t toc;          // the first byte
    uint8_t frame_count;  // 1 .. 48
    uint8_t frame_units;  // length of a frame in units of 2.5 ms: 1, 2, 4, 8, 16 or 24
    bool lengths_differ;  // of two frames, so that their lengths must be coded
} dk_opus_packet;

// Find the parts of a packet. Returns 0, DK_ERR_ARGUMENT for NULL, or DK_ERR_PACKET if the packet
// breaks a rule; then `parts` is unspecified.
int32_t dk_opus_packet_parse(const uint8_t *packet, size_t bytes, dk_opus_packet *parts);

#ifdef __cplusplus
}
#endif

#endif
