// SPDX-License-Identifier: BSD-3-Clause
// A DRED payload of wire version 12: header, initial state, then 40-ms chunks, newest first.
// quantize/dred/payload.py defines it.
#ifndef DREDKIT_DRED_PAYLOAD_H
#define DREDKIT_DRED_PAYLOAD_H

#include <stddef.h>

#include "dred/rangecoder.h"
#include "dred/tables.h"
#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_DRED_MAX_BYTES 1000
#define DK_DRED_MAX_CHUNKS 26  // 1.04 s

// Writes a payload piece by piece. The payload ends at the last dk_dred_writer_keep; what was
// written after it is dropped.
typedef struct {
    const dk_dred_tables *tables;
    dk_dred_header header;
    dk_range_encoder coder;
    dk_range_encoder kept;
    uint32_t limit;  // bits
    uint8_t chunk;   // the next one
} dk_dred_writer;

// Write the header and start a payload of at most `budget` bytes (1 .. 1000). Returns 0 or
// DK_ERR_ARGUMENT. `payload` has room for `budget` bytes and stays in use until the payload is
// finished.
int32_t dk_dred_writer_init(dk_dred_writer *writer, const dk_dred_tables *tables,
                            const dk_dred_header *header, uint8_t *payload, size_t budget);

// Write the initial state, int32 Q16. Returns false if it does not fit; then there is no payload.
bool dk_dred_writer_state(dk_dred_writer *writer, const int32_t state[DK_DRED_STATES]);

// Write the next older chunk, int32 Q16. Returns false if it does not fit; then only finish.
bool dk_dred_writer_chunk(dk_dred_writer *writer, const int32_t latents[DK_DRED_LATENTS]);

// Let the payload end here, unless a later call moves its end.
void dk_dred_writer_keep(dk_dred_writer *writer);

// Complete the payload up to the last keep; there must have been one. Returns its length in bytes.
size_t dk_dred_writer_finish(dk_dred_writer *writer);

// A parsed payload: symbols, which dk_dred_dequantise turns into values.
typedef struct {
    dk_dred_header header;
    int16_t state[DK_DRED_STATES];
    uint8_t chunk_count;
    int16_t chunks[DK_DRED_MAX_CHUNKS][DK_DRED_LATENTS];  // newest first; chunk_count are valid
} dk_dred_payload;

// Parse an untrusted payload, up to `max_chunks` (at most 26). Returns the number of chunks, or
// DK_ERR_ARGUMENT, DK_ERR_LENGTH, DK_ERR_SHORT or DK_ERR_SYMBOL; on an error, the contents of
// `payload` are unspecified. A payload that ends inside a chunk gives the chunks before it.
int32_t dk_dred_parse(const dk_dred_tables *tables, const uint8_t *data, size_t size,
                      unsigned max_chunks, dk_dred_payload *payload);

// Each symbol of a latent or state (quantize/dred/laplace.py) is coded as its sign, with the 15-bit
// inverse cumulative frequencies A, A / 2, 0, where 32768 - A belongs to zero; then as |v| - 1 in
// groups of seven.
#define DK_DRED_GROUP 7u  // in a magnitude, this symbol means: add seven and read on

static inline uint32_t dk_dred_nonzero(unsigned p_zero)
{
    return 32768u - (p_zero << 7);
}

// Return entry j (below 7) of the magnitudes' table from the entry before it, which is 32768 for
// j = 0. The lower limit keeps every symbol possible.
static inline uint32_t dk_dred_next_entry(uint32_t before, unsigned decay, unsigned j)
{
    const uint32_t entry = (before * (decay << 7)) >> 15;
    return entry > DK_DRED_GROUP - j ? entry : DK_DRED_GROUP - j;
}

#ifdef __cplusplus
}
#endif

#endif
