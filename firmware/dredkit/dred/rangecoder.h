// SPDX-License-Identifier: BSD-3-Clause
// The range coder of Opus (RFC 6716 sections 4.1 and 5.1). All symbols go to the front of the data.
#ifndef DREDKIT_DRED_RANGECODER_H
#define DREDKIT_DRED_RANGECODER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_RANGE_ICDF_BITS 15
#define DK_RANGE_BOTTOM (1u << 23)

// Writes into the caller's `out`, never beyond `capacity`. If more room was needed,
// dk_range_encoder_tell exceeds 8 * capacity. Copy the struct to return to this point later.
typedef struct {
    uint8_t *out;
    uint32_t capacity;
    uint32_t count;  // bytes that a carry can no longer reach, written or not
    uint32_t low;
    uint32_t range;
    uint32_t bits;
    uint32_t full;    // number of 255s held back behind `pending`; a carry runs through them
    int32_t pending;  // the byte held back, or -1
} dk_range_encoder;

// Start writing to `out`.
void dk_range_encoder_init(dk_range_encoder *coder, uint8_t *out, size_t capacity);

// Return the number of bits used so far, rounded up.
uint32_t dk_range_encoder_tell(const dk_range_encoder *coder);

// Write bytes until the range is above DK_RANGE_BOTTOM.
void dk_range_normalise(dk_range_encoder *coder);

// Encode the symbol that owns [low, high) of `total`; 0 <= low < high <= total <= 256.
void dk_range_encode(dk_range_encoder *coder, uint32_t low, uint32_t high, uint32_t total);

// Encode a symbol whose 15-bit inverse cumulative frequencies are `above` before it and `below`
// after it: 32768 >= above > below >= 0. `above` is 32768 for the first symbol of a table.
void dk_range_encode_icdf(dk_range_encoder *coder, uint32_t above, uint32_t below);

// Encode the first symbol of a table. Most symbols are the first of theirs.
static inline void dk_range_encode_first(dk_range_encoder *coder, uint32_t below)
{
    coder->range -= (coder->range >> DK_RANGE_ICDF_BITS) * below;
    if (coder->range <= DK_RANGE_BOTTOM) {
        dk_range_normalise(coder);
    }
}

// Complete the data and return its length, ceil(tell / 8). Call this only if
// dk_range_encoder_tell <= 8 * capacity.
size_t dk_range_encoder_finish(dk_range_encoder *coder);

// Reads `data`, never outside it. Past its end, all bytes read as zero.
typedef struct {
    const uint8_t *data;
    uint32_t size;
    uint32_t at;
    uint32_t value;
    uint32_t range;
    uint32_t unit;
    uint32_t bits;
    uint8_t last;
} dk_range_decoder;

// Start reading `data`; size <= 65535.
void dk_range_decoder_init(dk_range_decoder *coder, const uint8_t *data, size_t size);

// Return the number of unused bits. It is negative if more was read than there is.
int32_t dk_range_decoder_left(const dk_range_decoder *coder);

// Return a number in [0, total) inside the next symbol's interval; then call dk_range_update.
uint32_t dk_range_decode(dk_range_decoder *coder, uint32_t total);

// Move past the symbol that owns [low, high) of `total`.
void dk_range_update(dk_range_decoder *coder, uint32_t low, uint32_t high, uint32_t total);

// Decode one of `total` equally likely values.
uint32_t dk_range_decode_uint(dk_range_decoder *coder, uint32_t total);

// Decode a symbol of a 15-bit inverse cumulative table, which decreases and ends in 0.
unsigned dk_range_decode_icdf(dk_range_decoder *coder, const uint16_t *table);

#ifdef __cplusplus
}
#endif

#endif
