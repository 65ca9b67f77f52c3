// SPDX-License-Identifier: BSD-3-Clause
// Frames on a byte stream: COBS with 0x00 as delimiter, a header, a payload and a CRC-32. The
// numbers come from toolkit/common/wire.toml through dredkit_wire.h. Nothing here allocates or
// waits. No input, however damaged, makes a function write past the caller's buffer.
#ifndef DREDKIT_LINK_H
#define DREDKIT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dredkit/status.h"
#include "weights/crc32.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_COBS_GROUP 255u  // a code byte and 254 other bytes

// Takes encoded bytes: a UART, a socket, or a buffer in a test.
typedef void (*dk_sink)(const uint8_t *bytes, size_t count);

typedef struct {
    dk_sink sink;
    uint8_t group[DK_COBS_GROUP];
    uint8_t used;  // bytes of the group, including its code byte
    bool full;     // the previous group was full, so there is no zero between them
} dk_cobs_encoder;

// Encode a sequence of bytes: begin, put as often as needed, end. dk_cobs_end sends the last group,
// but not the delimiter.
void dk_cobs_begin(dk_cobs_encoder *encoder, dk_sink sink);
void dk_cobs_put(dk_cobs_encoder *encoder, const uint8_t *bytes, size_t count);
void dk_cobs_end(dk_cobs_encoder *encoder);

typedef struct {
    uint8_t left;  // bytes that the current group still owes
    bool zero;     // the group ends in a zero if another one follows
} dk_cobs_decoder;

// Start a new sequence of encoded bytes.
void dk_cobs_reset(dk_cobs_decoder *decoder);

// Take one encoded byte, which is not the delimiter. Returns the decoded byte, or -1 if the encoded
// byte yields none.
int32_t dk_cobs_take(dk_cobs_decoder *decoder, uint8_t byte);

// Return whether a delimiter may come now. If not, a delimiter means that the stream was cut.
bool dk_cobs_complete(const dk_cobs_decoder *decoder);

typedef struct {
    uint8_t type;
    uint16_t sequence;
    uint16_t length;         // of the payload
    const uint8_t *payload;  // in the decoder's buffer; valid until the next byte is pushed
} dk_frame;

typedef struct {
    uint8_t *buffer;
    size_t capacity;  // header, payload and trailer of the longest accepted frame
    size_t length;
    bool started;  // bytes have arrived since the last delimiter
    bool overrun;  // more bytes arrived than the buffer holds: reject at the delimiter
    dk_cobs_decoder cobs;
} dk_frame_decoder;

// Start decoding into `buffer`, which must stay valid.
void dk_frame_decoder_init(dk_frame_decoder *decoder, uint8_t *buffer, size_t capacity);

// Push one received byte. Returns 1 and fills `frame` if the byte completes a sound frame, 0 if
// more bytes are needed, DK_ERR_FRAME or DK_ERR_OVERRUN if the byte ends a damaged frame. After a
// frame, sound or damaged, the decoder is ready for the next one.
int32_t dk_frame_push(dk_frame_decoder *decoder, uint8_t byte, dk_frame *frame);

typedef struct {
    dk_cobs_encoder cobs;
    uint32_t crc;
} dk_frame_writer;

// Write one frame piece by piece: begin, put as often as needed, end. The puts must add up to
// `length` bytes of payload. All bytes go to `sink`.
void dk_frame_begin(dk_frame_writer *writer, dk_sink sink, uint8_t type, uint16_t sequence,
                    uint16_t length);
void dk_frame_put(dk_frame_writer *writer, const uint8_t *bytes, size_t count);
void dk_frame_end(dk_frame_writer *writer);

#ifdef __cplusplus
}
#endif

#endif
