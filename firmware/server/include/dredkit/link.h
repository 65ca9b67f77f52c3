// SPDX-License-Identifier: BSD-3-Clause
// Frames on a byte stream: COBS with 0x00 as delimiter, a header, a payload and a CRC-32. The
// numbers come from toolkit/common/wire.toml through dredkit_wire.h. Nothing here allocates or
// waits, and no input, however damaged, writes past the buffer that the caller gave.
#ifndef DREDKIT_LINK_H
#define DREDKIT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

// CRC-32 of zlib (reflected 0xEDB88320): start with crc = 0 and go on with what it returned.
uint32_t dk_crc32(uint32_t crc, const uint8_t *bytes, size_t count);

#define DK_COBS_GROUP 255u  // a code byte and 254 others

// Takes encoded bytes: a UART, a socket, or a buffer in a test.
typedef void (*dk_sink)(const uint8_t *bytes, size_t count);

typedef struct {
    dk_sink sink;
    uint8_t group[DK_COBS_GROUP];
    uint8_t used;  // of group, its code byte included
    bool full;     // the group before this one was full, so no zero stands between them
} dk_cobs_encoder;

void dk_cobs_begin(dk_cobs_encoder *encoder, dk_sink sink);
void dk_cobs_put(dk_cobs_encoder *encoder, const uint8_t *bytes, size_t count);
void dk_cobs_end(dk_cobs_encoder *encoder);  // sends the last group, not the delimiter

typedef struct {
    uint8_t left;  // bytes that the current group still owes
    bool zero;     // the group ends in a zero if another one follows
} dk_cobs_decoder;

void dk_cobs_reset(dk_cobs_decoder *decoder);

// Take one encoded byte other than the delimiter; returns the decoded byte, or -1 if this one
// brought none.
int32_t dk_cobs_take(dk_cobs_decoder *decoder, uint8_t byte);

// Whether a delimiter may come now; otherwise the stream was cut.
bool dk_cobs_complete(const dk_cobs_decoder *decoder);

typedef struct {
    uint8_t type;
    uint16_t sequence;
    uint16_t length;         // of the payload
    const uint8_t *payload;  // in the decoder's buffer, until the next byte is pushed
} dk_frame;

typedef struct {
    uint8_t *buffer;
    size_t capacity;  // header, payload and trailer of the longest frame that is taken
    size_t length;
    bool started;  // bytes have come since the last delimiter
    bool overrun;  // more came than the buffer holds: reject at the delimiter
    dk_cobs_decoder cobs;
} dk_frame_decoder;

void dk_frame_decoder_init(dk_frame_decoder *decoder, uint8_t *buffer, size_t capacity);

// Push one received byte. Returns 1 and fills `frame` when it completes a sound frame, 0 when more
// bytes are needed, DK_ERR_FRAME or DK_ERR_OVERRUN when it ends a damaged one; the decoder is ready
// for the next frame in every case.
int32_t dk_frame_push(dk_frame_decoder *decoder, uint8_t byte, dk_frame *frame);

typedef struct {
    dk_cobs_encoder cobs;
    uint32_t crc;
} dk_frame_writer;

// Write one frame piece by piece: begin, put as often as needed, end. The puts must add up to
// `length` bytes of payload.
void dk_frame_begin(dk_frame_writer *writer, dk_sink sink, uint8_t type, uint16_t sequence,
                    uint16_t length);
void dk_frame_put(dk_frame_writer *writer, const uint8_t *bytes, size_t count);
void dk_frame_end(dk_frame_writer *writer);

#ifdef __cplusplus
}
#endif

#endif
