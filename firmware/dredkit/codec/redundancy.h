// SPDX-License-Identifier: BSD-3-Clause
// Decodes a DRED payload to features in chunks of 40 ms, newest first. quantize/codec/redundancy.py
// defines it to the bit. Payloads are not trusted: any bytes are harmless.
#ifndef DREDKIT_REDUNDANCY_H
#define DREDKIT_REDUNDANCY_H

#include "dred/payload.h"
#include "rdovae_dec.h"
#include "rdovae_dec_init.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_REDUNDANCY_FEATURES 20                // features of a 10-ms frame, Q10
#define DK_REDUNDANCY_CHUNK_FRAMES 4             // frames in a chunk
#define DK_REDUNDANCY_BATCH DK_RDOVAE_DEC_BATCH  // most chunks decoded by one call

// The weights of the two networks and the model's entropy tables.
typedef struct {
    const dk_dred_tables *tables;
    const dk_rdovae_dec_init_weights *start;
    const dk_rdovae_dec_weights *step;
} dk_redundancy_weights;

// One payload being decoded. The caller provides the memory and may read two fields: `chunks`, the
// number of chunks, and `decoded`, how many of them were decoded. The other fields are private.
typedef struct {
    dk_rdovae_dec network;
    dk_redundancy_weights weights;
    uint8_t chunks;
    uint8_t decoded;
} dk_redundancy;

// Scratch for one call. From dk_redundancy_start until the next use of the scratch,
// start.gru_states holds the network's initial states, Q15.
typedef union {
    struct {
        int16_t gru_states[DK_RDOVAE_DEC_INIT_GRU_STATES];
        int16_t initial_state[DK_RDOVAE_DEC_INIT_INITIAL_STATE];
        dk_rdovae_dec_init network;
        dk_rdovae_dec_init_scratch scratch;
    } start;
    struct {
        int16_t chunks[DK_REDUNDANCY_BATCH][DK_RDOVAE_DEC_CHUNK];
        dk_rdovae_dec_scratch scratch;
    } step;
} dk_redundancy_scratch;

// Initialise without a payload. What `weights` points to must outlive `redundancy`.
void dk_redundancy_init_with(dk_redundancy *redundancy, const dk_redundancy_weights *weights);

#if defined(DK_RDOVAE_DEC_LINKED)
// Initialise with the networks that are linked into the image. `tables` gives the symbols' meaning.
void dk_redundancy_init(dk_redundancy *redundancy, const dk_dred_tables *tables);
#endif

// Set the network's states for the newest chunk of a parsed payload. `trace` is NULL or has room
// for DK_RDOVAE_DEC_INIT_TRACE_BYTES.
void dk_redundancy_start(dk_redundancy *redundancy, dk_redundancy_scratch *work,
                         const dk_dred_payload *payload, uint8_t *trace);

// From the payload that was started, decode up to `most` (1 to DK_REDUNDANCY_BATCH) older chunks,
// four frames each, newest first. Returns the number of chunks decoded, DK_ERR_ORDER if none is
// left, or DK_ERR_ARGUMENT. The features do not depend on the batch size. `features` has room for
// `most` times DK_RDOVAE_DEC_FEATURES; `trace` is NULL or has room for `most` times
// DK_RDOVAE_DEC_TRACE_BYTES.
int32_t dk_redundancy_decode(dk_redundancy *redundancy, dk_redundancy_scratch *work,
                             const dk_dred_payload *payload, unsigned most, int16_t *features,
                             uint8_t *trace);

#ifdef __cplusplus
}
#endif

#endif
