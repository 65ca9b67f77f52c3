// SPDX-License-Identifier: BSD-3-Clause
// DRED inside an Opus packet: add a payload to a packet that an encoder finished, and find the
// payload in a packet that arrived. quantize/packet/ defines both; docs/FORMAT.md, section 1,
// describes the format.
//
// Packets are untrusted: any bytes are harmless. Nothing is allocated, and no function keeps a
// pointer. The time is at most linear in the length of the packet.
//
// The self-delimited packets of multistream Opus (RFC 6716, appendix B) are not supported.
#ifndef DREDKIT_PACKET_H
#define DREDKIT_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_PACKET_PREFIX_MAX 8      // bytes before a payload
#define DK_PACKET_FRAMES_MAX 48     // of 2.5 ms: 120 ms
#define DK_PACKET_PAYLOAD_MAX 1000  // bytes

// The most bytes that dk_packet_add adds to a packet besides the payload. A packet without other
// extensions grows by 5 bytes for payloads up to 251 bytes, and by 8 at most.
#define DK_PACKET_OVERHEAD (9 + DK_PACKET_PREFIX_MAX)

// How a payload is marked in a packet's padding.
typedef struct {
    uint8_t id;                            // ID of the extension, 32 .. 127
    uint8_t prefix_bytes;                  // how many bytes of `prefix` precede the payload, 0 .. 8
    uint8_t prefix[DK_PACKET_PREFIX_MAX];  // the last of these bytes is the wire version
} dk_packet_framing;

extern const dk_packet_framing dk_packet_libopus_1_6;  // ID 126, 'D', version 12: libopus 1.6
extern const dk_packet_framing dk_packet_drafts;       // ID 32, no prefix: the IETF's drafts
extern const dk_packet_framing dk_packet_framings[2];  // both, for dk_packet_find

// What dk_packet_find finds.
typedef struct {
    const uint8_t *payload;  // inside the packet; NULL if there is none
    size_t bytes;            // length of the payload, 0 if there is none
    // Time from the packet's first sample to the start of the frame that the payload belongs to, in
    // units of 2.5 ms, 0 .. 47. Encoders use the first frame, so this is usually 0.
    uint8_t frame_offset;
    uint8_t framing;  // which of the framings marks the payload, from 0
    // Wire version of a payload that was skipped because its version differs, 0 .. 255; -1 if there
    // is none. libopus 1.5 sends version 10.
    int16_t other_version;
} dk_packet_found;

// Find the packet's first payload in any of `count` framings, at most 255; without one, report the
// first of another version. Returns the payload's length, 0 if there is no payload,
// DK_ERR_ARGUMENT, DK_ERR_PACKET, or DK_ERR_EXTENSION. On an error and without a payload, `found`
// has none. The packet is the whole Opus packet, for example the payload of an RTP packet.
int32_t dk_packet_find(const uint8_t *packet, size_t bytes, const dk_packet_framing *framings,
                       size_t count, dk_packet_found *found);

// Add a payload of 1 .. 1000 bytes to a packet, for its first frame, in place. The packet grows to
// at most bytes + payload_bytes + DK_PACKET_OVERHEAD; `capacity` is the size of its buffer. Plain
// padding is dropped; other extensions stay and follow this one. The decoded sound stays the same.
// `payload` lies outside the buffer of the packet.
//
// Returns the new length, or a negative dk_status, which leaves the packet as it was:
//   DK_ERR_ARGUMENT   a pointer is NULL, the framing is not allowed, or bytes > capacity
//   DK_ERR_LENGTH     the payload has 0 or more than 1000 bytes
//   DK_ERR_PACKET     the packet breaks a rule of RFC 6716
//   DK_ERR_EXTENSION  the packet's padding holds malformed extensions
//   DK_ERR_PRESENT    the packet already has this extension, or repeats the extensions of its first
//                     frame for later ones, which would repeat this one too
//   DK_ERR_OVERRUN    the result needs more than `capacity` bytes
int32_t dk_packet_add(uint8_t *packet, size_t bytes, size_t capacity, const uint8_t *payload,
                      size_t payload_bytes, const dk_packet_framing *framing);

// Return the length that dk_packet_add would give the packet, or its error, other than
// DK_ERR_OVERRUN.
int32_t dk_packet_added_bytes(const uint8_t *packet, size_t bytes, size_t payload_bytes,
                              const dk_packet_framing *framing);

// Remove the padding, and therefore all extensions, in place: for a base decoder that knows DRED
// itself and would use it. Returns the new length, DK_ERR_ARGUMENT or DK_ERR_PACKET.
int32_t dk_packet_strip(uint8_t *packet, size_t bytes);

// Return the number of frames in a packet, 1 .. 48, DK_ERR_ARGUMENT or DK_ERR_PACKET.
int32_t dk_packet_frames(const uint8_t *packet, size_t bytes);

// Return the length of a packet's audio in units of 2.5 ms (120 samples at 48 kHz), 1 .. 48, or
// DK_ERR_ARGUMENT or DK_ERR_PACKET.
int32_t dk_packet_units(const uint8_t *packet, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
