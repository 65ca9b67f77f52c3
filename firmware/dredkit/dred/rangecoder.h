// SPDX-License-Identifier: BSD-3-Clause
// The range coder of Opus (RFC 6716 sections 4.1 and 5.1), all symbols from the front.
#ifndef DREDKIT_DRED_RANGECODER_H
#define DREDKIT_DRED_RANGECODER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_RANGE_ICDF_BITS 15
#define DK_RANGE_BOTTOM (1u << 23)

// Writes into the caller's `out`, never beyond `capacity`; once more was needed, `tell` exceeds
// 8 * capacity. Copy the struct to come back to this point.
typedef struct {
    uint8_t *out;
    uint32_t capacity;
    uint32_t count;  // bytes that no carry can reach any more, written or not
    uint32_t low;
    uint32_t range;
    uint32_t bits;
    uint32_t full;    // 255s held back behind `pending`, which a carry would run through
    int32_t pending;  // the byte held back; -1 none
} dk_range_encoder;

void dk_range_encoder_init(dk_range_encoder *coder, uint8_t *out, size_t capacity);

// Bits used so far, rounded up.
uint32_t dk_range_encoder_tell(const dk_range_encoder *coder);

// Put out bytes until the range is above DK_RANGE_BOTTOM.
void dk_range_normalise(dk_range_encoder *coder);

// The symbol that owns [low, high) of `total`; 0 <= low < high <= total <= 256.
void dk_range_encode(dk_range_encoder *coder, uint32_t low, uint32_t high, uint32_t total);

// A symbol whose 15-bit inverse cumulative frequencies are `above` before it and `below` after
// it: 32768 >= above > below >= 0, where above is 32768 for the first symbol.
void dk_range_encode_icdf(dk_range_encoder *coder, uint32_t above, uint32_t below);

// The same for the first symbol of a table, which most symbols are.
static inline void dk_range_encode_first(dk_range_encoder *coder, uint32_t below)
{
    coder->range -= (coder->range >> DK_RANGE_ICDF_BITS) * below;
    if (coder->range <= DK_RANGE_BOTTOM) {
        dk_range_normalise(coder);
    }
}

// Complete the payload: returns its length, ceil(tell / 8). Only if tell <= 8 * capacity.
size_t dk_range_encoder_finish(dk_range_encoder *coder);

// Reads `data`, and zeros past its end; never outside it.
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

// size <= 65535.
void dk_range_decoder_init(dk_range_decoder *coder, const uint8_t *data, size_t size);

// Bits not yet used; negative once more was read than there is.
int32_t dk_range_decoder_left(const dk_range_decoder *coder);

// A number in [0, total) inside the next symbol's interval; then call dk_range_update.
uint32_t dk_range_decode(dk_range_decoder *coder, uint32_t total);
void dk_range_update(dk_range_decoder *coder, uint32_t low, uint32_t high, uint32_t total);

// One of `total` equally likely values.
uint32_t dk_range_decode_uint(dk_range_decoder *coder, uint32_t total);

// A symbol of a 15-bit inverse cumulative table, decreasing and ending in 0.
unsigned dk_range_decode_icdf(dk_range_decoder *coder, const uint16_t *table);

#ifdef __cplusplus
}
#endif

#endif
