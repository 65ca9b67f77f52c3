// SPDX-License-Identifier: BSD-3-Clause
// Parses an untrusted DRED payload: the receiver's half of dred/payload.h.
#include "dred/payload.h"

#define LAST_BITS 7  // so many bits may stay unused at the end

static dk_dred_header read_header(dk_range_decoder *coder)
{
    const uint32_t q0 = dk_range_decode_uint(coder, DK_DRED_LEVELS);
    const uint32_t dq = dk_range_decode_uint(coder, 8);
    const uint32_t high =
        dk_range_decode_uint(coder, 2) != 0 ? dk_range_decode_uint(coder, 256) : 0;
    const uint32_t distance = 32 * high + dk_range_decode_uint(coder, 32);
    uint32_t qmax = 15;
    if (dk_dred_sends_qmax(q0, dq)) {
        const uint32_t count = 14 - q0;
        const uint32_t value = dk_range_decode(coder, 2 * count);
        if (value < count) {
            dk_range_update(coder, 0, count, 2 * count);
        } else {
            dk_range_update(coder, value, value + 1, 2 * count);
            qmax = q0 + 1 + value - count;
        }
    }
    return (dk_dred_header){
        .q0 = (uint8_t)q0,
        .dq = (uint8_t)dq,
        .qmax = (uint8_t)qmax,
        .offset = (int16_t)(16 - (int32_t)distance),
    };
}

// Return |v| of a nonzero symbol, or a negative error.
static int32_t read_magnitude(dk_range_decoder *coder, unsigned decay)
{
    uint16_t table[DK_DRED_GROUP + 1];
    uint32_t entry = 32768;
    for (unsigned j = 0; j < DK_DRED_GROUP; j++) {
        entry = dk_dred_next_entry(entry, decay, j);
        table[j] = (uint16_t)entry;
    }
    table[DK_DRED_GROUP] = 0;
    int32_t magnitude = 1;
    unsigned group = dk_range_decode_icdf(coder, table);
    while (group == DK_DRED_GROUP) {
        magnitude += (int32_t)DK_DRED_GROUP;
        if (magnitude > INT16_MAX) {
            return DK_ERR_SYMBOL;
        }
        if (dk_range_decoder_left(coder) < 0) {
            return DK_ERR_SHORT;
        }
        group = dk_range_decode_icdf(coder, table);
    }
    magnitude += (int32_t)group;
    return magnitude <= INT16_MAX ? magnitude : DK_ERR_SYMBOL;
}

static int32_t read_row(dk_range_decoder *coder, const dk_dred_row *row, int16_t *symbols)
{
    for (unsigned i = 0; i < row->count; i++) {
        symbols[i] = 0;
        if (!dk_dred_is_sent(row->decay[i], row->p_zero[i])) {
            continue;
        }
        const uint32_t nonzero = dk_dred_nonzero(row->p_zero[i]);
        const uint16_t signs[3] = {(uint16_t)nonzero, (uint16_t)(nonzero >> 1), 0};
        const unsigned sign = dk_range_decode_icdf(coder, signs);
        if (sign != 0) {
            const int32_t magnitude = read_magnitude(coder, row->decay[i]);
            if (magnitude < 0) {
                return magnitude;
            }
            symbols[i] = (int16_t)(sign == 1 ? magnitude : -magnitude);
        }
    }
    return dk_range_decoder_left(coder) < 0 ? DK_ERR_SHORT : 0;
}

// Read the chunks. Returns how many are whole, or DK_ERR_SYMBOL.
static int32_t read_chunks(dk_range_decoder *coder, const dk_dred_tables *tables,
                           unsigned max_chunks, dk_dred_payload *payload)
{
    while (payload->chunk_count < max_chunks && dk_range_decoder_left(coder) > LAST_BITS) {
        const unsigned chunk = payload->chunk_count;
        const unsigned level = dk_dred_level(&payload->header, chunk);
        const dk_dred_row row = dk_dred_latent_row(tables, level);
        const int32_t error = read_row(coder, &row, payload->chunks[chunk]);
        if (error == DK_ERR_SHORT) {
            break;  // the payload was cut inside this chunk; the chunks before it are whole
        }
        if (error < 0) {
            return error;
        }
        payload->chunk_count++;
    }
    return payload->chunk_count;
}

int32_t dk_dred_parse(const dk_dred_tables *tables, const uint8_t *data, size_t size,
                      unsigned max_chunks, dk_dred_payload *payload)
{
    if (tables == NULL || data == NULL || payload == NULL || max_chunks > DK_DRED_MAX_CHUNKS) {
        return DK_ERR_ARGUMENT;
    }
    if (size == 0 || size > DK_DRED_MAX_BYTES) {
        return DK_ERR_LENGTH;
    }
    dk_range_decoder coder;
    dk_range_decoder_init(&coder, data, size);
    payload->header = read_header(&coder);
    payload->chunk_count = 0;
    const dk_dred_row state = dk_dred_state_row(tables, payload->header.q0);
    const int32_t error = read_row(&coder, &state, payload->state);
    return error < 0 ? error : read_chunks(&coder, tables, max_chunks, payload);
}
