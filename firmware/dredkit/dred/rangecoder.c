// SPDX-License-Identifier: BSD-3-Clause
// The range encoder and decoder of Opus, RFC 6716 sections 4.1 and 5.1.
#include "dred/rangecoder.h"

#define TOP (1u << 31)
#define MASK (TOP - 1)
#define SHIFT 23
#define EXTRA_BITS 7  // bits of the first byte that the decoder's value takes at the start

// Return the length of x in bits; x > 0.
static uint32_t length(uint32_t x)
{
    return 32u - (uint32_t)__builtin_clz(x);
}

static void put(dk_range_encoder *coder, uint32_t byte)
{
    if (coder->count < coder->capacity) {
        coder->out[coder->count] = (uint8_t)byte;
    }
    coder->count++;
}

// Take nine bits. A byte is written only when no carry can reach it any more.
static void carry(dk_range_encoder *coder, uint32_t symbol)
{
    if (symbol == 0xff) {
        coder->full++;
        return;
    }
    const uint32_t over = symbol >> 8;
    if (coder->pending >= 0) {
        put(coder, (uint32_t)coder->pending + over);
    }
    for (; coder->full > 0; coder->full--) {
        put(coder, 0xff + over);
    }
    coder->pending = (int32_t)(symbol & 0xff);
}

void dk_range_normalise(dk_range_encoder *coder)
{
    while (coder->range <= DK_RANGE_BOTTOM) {
        carry(coder, coder->low >> SHIFT);
        coder->low = (coder->low << 8) & MASK;
        coder->range <<= 8;
        coder->bits += 8;
    }
}

void dk_range_encoder_init(dk_range_encoder *coder, uint8_t *out, size_t capacity)
{
    *coder = (dk_range_encoder){
        .capacity = (uint32_t)capacity,
        .range = TOP,
        .bits = 33,
        .pending = -1,
    };
    coder->out = out;
}

uint32_t dk_range_encoder_tell(const dk_range_encoder *coder)
{
    return coder->bits - length(coder->range);
}

void dk_range_encode(dk_range_encoder *coder, uint32_t low, uint32_t high, uint32_t total)
{
    const uint32_t unit = coder->range / total;
    if (low > 0) {
        coder->low += coder->range - unit * (total - low);
        coder->range = unit * (high - low);
    } else {
        coder->range -= unit * (total - high);
    }
    dk_range_normalise(coder);
}

void dk_range_encode_icdf(dk_range_encoder *coder, uint32_t above, uint32_t below)
{
    const uint32_t unit = coder->range >> DK_RANGE_ICDF_BITS;
    if (above < 1u << DK_RANGE_ICDF_BITS) {
        coder->low += coder->range - unit * above;
        coder->range = unit * (above - below);
    } else {
        coder->range -= unit * below;
    }
    dk_range_normalise(coder);
}

size_t dk_range_encoder_finish(dk_range_encoder *coder)
{
    const size_t size = (dk_range_encoder_tell(coder) + 7) / 8;
    int32_t left = (int32_t)(32 - length(coder->range));
    uint32_t mask = MASK >> left;
    uint32_t end = (coder->low + mask) & ~mask;
    if ((end | mask) >= coder->low + coder->range) {
        left++;
        mask >>= 1;
        end = (coder->low + mask) & ~mask;
    }
    for (; left > 0; left -= 8) {
        carry(coder, end >> SHIFT);
        end = (end << 8) & MASK;
    }
    if (coder->pending >= 0 || coder->full > 0) {
        carry(coder, 0);
    }
    while (coder->count < size) {
        put(coder, 0);
    }
    return size;
}

static uint8_t next_byte(dk_range_decoder *coder)
{
    return coder->at < coder->size ? coder->data[coder->at++] : 0;
}

static void refill(dk_range_decoder *coder)
{
    while (coder->range <= DK_RANGE_BOTTOM) {
        coder->bits += 8;
        coder->range <<= 8;
        const uint32_t pair = (uint32_t)coder->last << 8;
        coder->last = next_byte(coder);
        const uint32_t eight = ((pair | coder->last) >> (8 - EXTRA_BITS)) & 0xff;
        coder->value = ((coder->value << 8) + (0xff - eight)) & MASK;
    }
}

void dk_range_decoder_init(dk_range_decoder *coder, const uint8_t *data, size_t size)
{
    *coder = (dk_range_decoder){
        .data = data,
        .size = (uint32_t)size,
        .range = 1u << EXTRA_BITS,
        .bits = 9,
    };
    coder->last = next_byte(coder);
    coder->value = coder->range - 1 - (coder->last >> (8 - EXTRA_BITS));
    refill(coder);
}

int32_t dk_range_decoder_left(const dk_range_decoder *coder)
{
    return (int32_t)(8 * coder->size) - (int32_t)(coder->bits - length(coder->range));
}

uint32_t dk_range_decode(dk_range_decoder *coder, uint32_t total)
{
    coder->unit = coder->range / total;
    const uint32_t from_top = coder->value / coder->unit + 1;
    return total - (from_top < total ? from_top : total);
}

void dk_range_update(dk_range_decoder *coder, uint32_t low, uint32_t high, uint32_t total)
{
    const uint32_t taken = coder->unit * (total - high);
    coder->value -= taken;
    coder->range = low > 0 ? coder->unit * (high - low) : coder->range - taken;
    refill(coder);
}

uint32_t dk_range_decode_uint(dk_range_decoder *coder, uint32_t total)
{
    const uint32_t value = dk_range_decode(coder, total);
    dk_range_update(coder, value, value + 1, total);
    return value;
}

unsigned dk_range_decode_icdf(dk_range_decoder *coder, const uint16_t *table)
{
    const uint32_t unit = coder->range >> DK_RANGE_ICDF_BITS;
    uint32_t above = coder->range;
    unsigned symbol = 0;
    uint32_t below = unit * table[0];
    while (coder->value < below) {
        above = below;
        below = unit * table[++symbol];
    }
    coder->value -= below;
    coder->range = above - below;
    refill(coder);
    return symbol;
}
