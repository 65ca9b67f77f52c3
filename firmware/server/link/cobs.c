// SPDX-License-Identifier: BSD-3-Clause
// Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): encodes and decodes one byte at a
// time.
#include "dredkit/link.h"

void dk_cobs_begin(dk_cobs_encoder *encoder, dk_sink sink)
{
    encoder->sink = sink;
    encoder->used = 1;
    encoder->full = false;
}

static void send_group(dk_cobs_encoder *encoder)
{
    encoder->group[0] = encoder->used;
    encoder->sink(encoder->group, encoder->used);
    encoder->full = encoder->used == DK_COBS_GROUP;
    encoder->used = 1;
}

void dk_cobs_put(dk_cobs_encoder *encoder, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == 0) {
            send_group(encoder);
            encoder->full = false;  // the zero opens a group that must be sent even if empty
            continue;
        }
        encoder->full = false;
        encoder->group[encoder->used++] = bytes[i];
        if (encoder->used == DK_COBS_GROUP) {
            send_group(encoder);
        }
    }
}

void dk_cobs_end(dk_cobs_encoder *encoder)
{
    if (!encoder->full) {
        send_group(encoder);
    }
}

void dk_cobs_reset(dk_cobs_decoder *decoder)
{
    decoder->left = 0;
    decoder->zero = false;
}

int32_t dk_cobs_take(dk_cobs_decoder *decoder, uint8_t byte)
{
    if (decoder->left > 0) {
        decoder->left--;
        return byte;
    }
    bool zero = decoder->zero;
    decoder->left = (uint8_t)(byte - 1u);
    decoder->zero = byte != DK_COBS_GROUP;
    return zero ? 0 : -1;
}

bool dk_cobs_complete(const dk_cobs_decoder *decoder)
{
    return decoder->left == 0;
}
