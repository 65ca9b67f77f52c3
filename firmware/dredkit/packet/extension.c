// SPDX-License-Identifier: BSD-3-Clause
// Reads the untrusted extensions of a packet: packet/extension.h.
#include "packet/extension.h"

#define PADDING 0u
#define SEPARATOR 1u
#define REPEAT 2u
#define HAS_LENGTH 1u  // L, the lowest bit of an extension's first byte

void dk_extension_begin(dk_extension_reader *reader, const uint8_t *packet,
                        const dk_opus_packet *parts)
{
    *reader = (dk_extension_reader){
        .data = packet + parts->padding,
        .bytes = parts->bytes - parts->padding,
        .frame_count = parts->frame_count,
        .is_first_run = true,
    };
}

// Move `at` past a coded length. Returns it, or more than the bytes that remain if it is too long.
static size_t read_length(const dk_extension_reader *reader, size_t *at)
{
    size_t length = 0;
    unsigned byte = UINT8_MAX;
    while (byte == UINT8_MAX && length <= reader->bytes) {
        if (*at >= reader->bytes) {
            return SIZE_MAX;
        }
        byte = reader->data[(*at)++];
        length += byte;
    }
    return length;
}

// Read the data of an extension whose first byte is `head`. An `open` one has no length: it takes
// all bytes but those of the short extensions after it.
static int32_t read_data(dk_extension_reader *reader, unsigned head, bool open,
                         dk_extension *extension)
{
    const unsigned flag = head & HAS_LENGTH;
    size_t at = reader->at;
    size_t length = flag;
    if (open) {
        const size_t after = (size_t)reader->run_count - reader->run_longs_end;
        if (after > reader->bytes - at) {
            return DK_ERR_EXTENSION;
        }
        length = reader->bytes - at - after;
    } else if (head >> 1 >= DK_EXTENSION_FIRST_LONG) {
        length = flag != 0 ? read_length(reader, &at) : reader->bytes - at;
    }
    if (length > reader->bytes - at) {
        return DK_ERR_EXTENSION;
    }
    extension->id = (uint8_t)(head >> 1);
    extension->data = reader->data + at;
    extension->bytes = length;
    reader->at = at + length;
    return 1;
}

static void start_run(dk_extension_reader *reader)
{
    reader->run_count = 0;
    reader->run_longs_end = 0;
    reader->is_first_run = false;
}

static int32_t move_on(dk_extension_reader *reader, unsigned flag)
{
    unsigned step = 1;
    if (flag != 0) {
        if (reader->at >= reader->bytes) {
            return DK_ERR_EXTENSION;
        }
        step = reader->data[reader->at++];
    }
    if (reader->frame + step >= reader->frame_count) {
        return DK_ERR_EXTENSION;
    }
    if (step != 0) {
        reader->frame = (uint8_t)(reader->frame + step);
        start_run(reader);
    }
    return 0;
}

static int32_t start_repeating(dk_extension_reader *reader, unsigned flag)
{
    const unsigned first = reader->frame + 1u;
    if (reader->run_count > DK_EXTENSION_RUN_MAX && first < reader->frame_count) {
        return DK_ERR_EXTENSION;
    }
    reader->place = 0;
    reader->repeat_moves_on = flag == 0;
    // A run without data is repeated for all frames at once.
    reader->repeat_frame = reader->run_count > 0 ? (uint8_t)first : reader->frame_count;
    if (reader->is_first_run && reader->frame_count > 1) {
        reader->repeats_start = true;
    }
    return 0;
}

// After the last repeated extension. If the run moves on from the last frame, the rest is padding.
static void stop_repeating(dk_extension_reader *reader)
{
    reader->repeat_frame = 0;
    start_run(reader);
    if (reader->repeat_moves_on) {
        reader->frame++;
        if (reader->frame >= reader->frame_count) {
            reader->at = reader->bytes;
        }
    }
}

// Read the next repeated long extension; returns 0 after the last one.
static int32_t next_repeated(dk_extension_reader *reader, dk_extension *extension)
{
    while (reader->repeat_frame < reader->frame_count) {
        while (reader->place < reader->run_count) {
            const unsigned id = reader->run[reader->place++];
            if (id >= DK_EXTENSION_FIRST_LONG) {
                const bool is_last =
                    reader->repeat_moves_on && reader->repeat_frame + 1u == reader->frame_count;
                extension->frame = reader->repeat_frame;
                return read_data(reader, id << 1 | HAS_LENGTH,
                                 is_last && reader->place == reader->run_longs_end, extension);
            }
            if (reader->at >= reader->bytes) {
                return DK_ERR_EXTENSION;
            }
            reader->at++;
        }
        reader->place = 0;
        reader->repeat_frame++;
    }
    stop_repeating(reader);
    return 0;
}

// Read an extension of the current frame, which joins the run.
static int32_t next_plain(dk_extension_reader *reader, unsigned head, dk_extension *extension)
{
    const int32_t result = read_data(reader, head, false, extension);
    extension->frame = reader->frame;
    // Without a length, an extension has no data, or takes all bytes so that nothing can repeat it.
    if ((head & HAS_LENGTH) != 0 && reader->run_count <= DK_EXTENSION_RUN_MAX) {
        if (reader->run_count < DK_EXTENSION_RUN_MAX) {
            reader->run[reader->run_count] = (uint8_t)(head >> 1);
        }
        reader->run_count++;
        if (head >> 1 >= DK_EXTENSION_FIRST_LONG) {
            reader->run_longs_end = reader->run_count;
        }
    }
    return result;
}

int32_t dk_extension_next(dk_extension_reader *reader, dk_extension *extension)
{
    for (;;) {
        if (reader->repeat_frame != 0) {
            const int32_t result = next_repeated(reader, extension);
            if (result != 0) {
                return result;
            }
        }
        if (reader->at >= reader->bytes) {
            return 0;
        }
        const unsigned head = reader->data[reader->at++];
        switch (head >> 1) {
            case PADDING:
                if ((head & HAS_LENGTH) == 0) {
                    reader->at = reader->bytes;
                }
                break;
            case SEPARATOR:
                if (move_on(reader, head & HAS_LENGTH) < 0) {
                    return DK_ERR_EXTENSION;
                }
                break;
            case REPEAT:
                if (start_repeating(reader, head & HAS_LENGTH) < 0) {
                    return DK_ERR_EXTENSION;
                }
                break;
            default:
                return next_plain(reader, head, extension);
        }
    }
}
