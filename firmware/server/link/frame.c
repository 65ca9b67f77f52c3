// SPDX-License-Identifier: BSD-3-Clause
// Reads and writes the frames of the serial link.
#include "dredkit/link.h"
#include "dredkit_wire.h"

static const uint8_t DELIMITER = 0;

static void restart(dk_frame_decoder *decoder)
{
    decoder->length = 0;
    decoder->started = false;
    decoder->overrun = false;
    dk_cobs_reset(&decoder->cobs);
}

void dk_frame_decoder_init(dk_frame_decoder *decoder, uint8_t *buffer, size_t capacity)
{
    decoder->buffer = buffer;
    decoder->capacity = capacity;
    restart(decoder);
}

// Check the bytes received between two delimiters. Returns 1 and fills `frame`, or an error.
static int32_t parse(const dk_frame_decoder *decoder, dk_frame *frame)
{
    const uint8_t *bytes = decoder->buffer;
    const size_t around = DK_WIRE_HEADER_BYTES + DK_WIRE_TRAILER_BYTES;
    if (decoder->overrun) {
        return DK_ERR_OVERRUN;
    }
    if (!dk_cobs_complete(&decoder->cobs) || decoder->length < around) {
        return DK_ERR_FRAME;
    }
    size_t checked = decoder->length - DK_WIRE_TRAILER_BYTES;
    uint16_t length = dk_wire_get_u16(bytes + DK_WIRE_AT_LENGTH);
    if (length != decoder->length - around ||
        dk_crc32(0, bytes, checked) != dk_wire_get_u32(bytes + checked)) {
        return DK_ERR_FRAME;
    }
    frame->type = bytes[DK_WIRE_AT_TYPE];
    frame->sequence = dk_wire_get_u16(bytes + DK_WIRE_AT_SEQUENCE);
    frame->length = length;
    frame->payload = bytes + DK_WIRE_HEADER_BYTES;
    return 1;
}

int32_t dk_frame_push(dk_frame_decoder *decoder, uint8_t byte, dk_frame *frame)
{
    if (byte == DELIMITER) {
        int32_t result = decoder->started ? parse(decoder, frame) : 0;
        restart(decoder);
        return result;
    }
    decoder->started = true;
    if (decoder->overrun) {
        return 0;
    }
    int32_t value = dk_cobs_take(&decoder->cobs, byte);
    if (value < 0) {
        return 0;
    }
    if (decoder->length == decoder->capacity) {
        decoder->overrun = true;
        return 0;
    }
    decoder->buffer[decoder->length++] = (uint8_t)value;
    return 0;
}

void dk_frame_begin(dk_frame_writer *writer, dk_sink sink, uint8_t type, uint16_t sequence,
                    uint16_t length)
{
    uint8_t header[DK_WIRE_HEADER_BYTES];
    dk_wire_put_u8(header + DK_WIRE_AT_TYPE, type);
    dk_wire_put_u16(header + DK_WIRE_AT_SEQUENCE, sequence);
    dk_wire_put_u16(header + DK_WIRE_AT_LENGTH, length);
    writer->crc = 0;
    sink(&DELIMITER, 1);
    dk_cobs_begin(&writer->cobs, sink);
    dk_frame_put(writer, header, sizeof header);
}

void dk_frame_put(dk_frame_writer *writer, const uint8_t *bytes, size_t count)
{
    writer->crc = dk_crc32(writer->crc, bytes, count);
    dk_cobs_put(&writer->cobs, bytes, count);
}

void dk_frame_end(dk_frame_writer *writer)
{
    uint8_t trailer[DK_WIRE_TRAILER_BYTES];
    dk_wire_put_u32(trailer, writer->crc);
    dk_cobs_put(&writer->cobs, trailer, sizeof trailer);
    dk_cobs_end(&writer->cobs);
    writer->cobs.sink(&DELIMITER, 1);
}
