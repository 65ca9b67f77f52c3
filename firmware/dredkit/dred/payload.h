// SPDX-License-Identifier: BSD-3-Clause
// A DRED payload of wire version 12: header, initial state, then 40-ms chunks, newest first. The
// definition is quantize/dred/payload.py.
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

// Writes a payload piece by piece. It ends where it was last kept; what came later is forgotten.
typedef struct {
    const dk_dred_tables *tables;
    dk_dred_header header;
    dk_range_encoder coder;
    dk_range_encoder kept;
    uint32_t limit;  // bits
    uint8_t chunk;   // the next one
} dk_dred_writer;

// Start with the header, for at most `budget` bytes (1 .. 1000) of `payload`; returns 0 or
// DK_ERR_ARGUMENT. `payload` has room for `budget` bytes until the end.
int32_t dk_dred_writer_init(dk_dred_writer *writer, const dk_dred_tables *tables,
                            const dk_dred_header *header, uint8_t *payload, size_t budget);

// Write the initial state, int32 Q16; false if it does not fit: then there is no payload.
bool dk_dred_writer_state(dk_dred_writer *writer, const int32_t state[DK_DRED_STATES]);

// Write the next older chunk, int32 Q16; false if it does not fit: then only finish.
bool dk_dred_writer_chunk(dk_dred_writer *writer, const int32_t latents[DK_DRED_LATENTS]);

// Let the payload end here, unless this is called again later.
void dk_dred_writer_keep(dk_dred_writer *writer);

// Complete the payload up to the last keep (one at least); returns its length in bytes.
size_t dk_dred_writer_finish(dk_dred_writer *writer);

// What a receiver gets: symbols, which dk_dred_dequantise turns into values.
typedef struct {
    dk_dred_header header;
    int16_t state[DK_DRED_STATES];
    uint8_t chunk_count;
    int16_t chunks[DK_DRED_MAX_CHUNKS][DK_DRED_LATENTS];  // newest first; chunk_count are valid
} dk_dred_payload;

// Parse a payload that nobody vouches for, up to `max_chunks` (at most 26). Returns the number of
// chunks, or DK_ERR_ARGUMENT, _LENGTH, _SHORT or _SYMBOL; `payload` is unspecified then. A payload
// that ends inside a chunk gives the chunks before it.
int32_t dk_dred_parse(const dk_dred_tables *tables, const uint8_t *data, size_t size,
                      unsigned max_chunks, dk_dred_payload *payload);

// One symbol of a latent or state (laplace.py). Sign first, by 15-bit inverse cumulative
// frequencies A, A / 2, 0, where 32768 - A belongs to zero; then |v| - 1 in groups of seven.
#define DK_DRED_GROUP 7u  // this symbol of a magnitude means: seven more, and go on

static inline uint32_t dk_dred_nonzero(unsigned p_zero)
{
    return 32768u - (p_zero << 7);
}

// Entry j of the magnitudes' table from the one before (32768 for j = 0); j < 7. Never impossible.
static inline uint32_t dk_dred_next_entry(uint32_t before, unsigned decay, unsigned j)
{
    const uint32_t entry = (before * (decay << 7)) >> 15;
    return entry > DK_DRED_GROUP - j ? entry : DK_DRED_GROUP - j;
}

#ifdef __cplusplus
}
#endif

#endif
