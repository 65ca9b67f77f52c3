// SPDX-License-Identifier: BSD-3-Clause
// Writes a DRED payload: the sender's half of dred/payload.h.
#include "dred/levels.h"
#include "dred/payload.h"

#define ONE 32768u

static void encode_uint(dk_range_encoder *coder, uint32_t value, uint32_t total)
{
    dk_range_encode(coder, value, value + 1, total);
}

static void encode_header(dk_range_encoder *coder, const dk_dred_header *header)
{
    encode_uint(coder, header->q0, DK_DRED_LEVELS);
    encode_uint(coder, header->dq, 8);
    const uint32_t distance = (uint32_t)(16 - header->offset);
    encode_uint(coder, distance > 31 ? 1 : 0, 2);
    if (distance > 31) {
        encode_uint(coder, distance >> 5, 256);
    }
    encode_uint(coder, distance & 31, 32);
    if (dk_dred_sends_qmax(header->q0, header->dq)) {
        const uint32_t count = 14u - header->q0;
        if (header->qmax == 15) {
            dk_range_encode(coder, 0, count, 2 * count);  // the usual case costs one bit
        } else {
            encode_uint(coder, count + header->qmax - header->q0 - 1, 2 * count);
        }
    }
}

// Return the inverse cumulative frequency before symbol `magnitude` (at most 7) of the magnitudes'
// table.
static uint32_t entry_before(uint32_t magnitude, unsigned decay)
{
    uint32_t entry = ONE;
    for (unsigned j = 0; j < magnitude; j++) {
        entry = dk_dred_next_entry(entry, decay, j);
    }
    return entry;
}

// Encode |v| - 1 in groups of seven. A symbol over the limit may stay unfinished: the payload ends
// before it anyway.
static void encode_magnitude(dk_range_encoder *coder, uint32_t rest, unsigned decay, uint32_t limit)
{
    if (rest >= DK_DRED_GROUP) {
        const uint32_t group = entry_before(DK_DRED_GROUP, decay);
        for (; rest >= DK_DRED_GROUP; rest -= DK_DRED_GROUP) {
            dk_range_encode_icdf(coder, group, 0);
            if (dk_range_encoder_tell(coder) > limit) {
                return;
            }
        }
    }
    const uint32_t above = entry_before(rest, decay);
    dk_range_encode_icdf(coder, above, dk_dred_next_entry(above, decay, rest));
}

static void encode_symbol(dk_range_encoder *coder, int32_t symbol, unsigned decay, unsigned p_zero,
                          uint32_t limit)
{
    const uint32_t nonzero = dk_dred_nonzero(p_zero);
    if (symbol == 0) {
        dk_range_encode_first(coder, nonzero);
        return;
    }
    if (symbol > 0) {
        dk_range_encode_icdf(coder, nonzero, nonzero >> 1);
    } else {
        dk_range_encode_icdf(coder, nonzero >> 1, 0);
    }
    encode_magnitude(coder, (uint32_t)(symbol < 0 ? -symbol : symbol) - 1, decay, limit);
}

static bool encode_row(dk_dred_writer *writer, const dk_dred_row *row, const int32_t *values)
{
    const uint8_t *decays = row->decay, *p_zeros = row->p_zero;
    const unsigned count = row->count;
    for (unsigned i = 0; i < count; i++) {
        const unsigned decay = decays[i], p_zero = p_zeros[i];
        if (!dk_dred_is_sent(decay, p_zero)) {
            continue;
        }
        if (dk_dred_is_small(values[i], row->scale[i])) {
            dk_range_encode_first(&writer->coder, dk_dred_nonzero(p_zero));
            continue;
        }
        const int16_t symbol = dk_dred_quantise(values[i], row->scale[i], row->deadzone[i]);
        encode_symbol(&writer->coder, symbol, decay, p_zero, writer->limit);
    }
    return dk_range_encoder_tell(&writer->coder) <= writer->limit;
}

int32_t dk_dred_writer_init(dk_dred_writer *writer, const dk_dred_tables *tables,
                            const dk_dred_header *header, uint8_t *payload, size_t budget)
{
    if (writer == NULL || tables == NULL || header == NULL || payload == NULL) {
        return DK_ERR_ARGUMENT;
    }
    if (budget == 0 || budget > DK_DRED_MAX_BYTES || !dk_dred_header_is_sound(header)) {
        return DK_ERR_ARGUMENT;
    }
    *writer = (dk_dred_writer){
        .tables = tables,
        .header = *header,
        .limit = (uint32_t)(8 * budget),
    };
    dk_range_encoder_init(&writer->coder, payload, budget);
    encode_header(&writer->coder, header);
    writer->kept = writer->coder;
    return 0;
}

bool dk_dred_writer_state(dk_dred_writer *writer, const int32_t state[DK_DRED_STATES])
{
    const dk_dred_row row = dk_dred_state_row(writer->tables, writer->header.q0);
    return encode_row(writer, &row, state);
}

bool dk_dred_writer_chunk(dk_dred_writer *writer, const int32_t latents[DK_DRED_LATENTS])
{
    const unsigned level = dk_dred_level(&writer->header, writer->chunk);
    const dk_dred_row row = dk_dred_latent_row(writer->tables, level);
    writer->chunk++;
    return encode_row(writer, &row, latents);
}

void dk_dred_writer_keep(dk_dred_writer *writer)
{
    writer->kept = writer->coder;
}

size_t dk_dred_writer_finish(dk_dred_writer *writer)
{
    return dk_range_encoder_finish(&writer->kept);
}
