// SPDX-License-Identifier: BSD-3-Clause
// A DRED payload back to features, a 40-ms chunk at a time, newest first:
// quantize/codec/redundancy.py, to the bit. Payloads are not trusted: any bytes are harmless.
#ifndef DREDKIT_DECODER_REDUNDANCY_H
#define DREDKIT_DECODER_REDUNDANCY_H

#include "dred/payload.h"
#include "rdovae_dec.h"
#include "rdovae_dec_init.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_REDUNDANCY_FEATURES 20                // of a frame of 10 ms, Q10
#define DK_REDUNDANCY_CHUNK_FRAMES 4             // of a chunk
#define DK_REDUNDANCY_BATCH DK_RDOVAE_DEC_BATCH  // chunks decoded at once, at most

// One payload on its way; the caller gives the memory. Nothing in it is for the caller, but that
// `chunks` says how many there are and `decoded` how many of them were decoded.
typedef struct {
    dk_rdovae_dec network;
    const dk_dred_tables *tables;
    dk_dred_payload payload;
    uint8_t chunks;
    uint8_t decoded;
} dk_redundancy;

// Scratch within a call. After dk_redundancy_begin, and until it is used again, start.gru_states
// holds the network's first states, Q15.
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

// Start without a payload; `tables` says what symbols mean and stays where it is.
void dk_redundancy_init(dk_redundancy *self, const dk_dred_tables *tables);

// Parse a payload, up to `max_chunks` (at most DK_DRED_MAX_CHUNKS), and start the network. Returns
// how many chunks there are, or the error of dk_dred_parse: then there are none. `trace` is NULL or
// takes DK_RDOVAE_DEC_INIT_TRACE_BYTES.
int32_t dk_redundancy_begin(dk_redundancy *self, dk_redundancy_scratch *work, const uint8_t *data,
                            size_t size, unsigned max_chunks, uint8_t *trace);

// Decode the next older chunks, up to `most`, which is 1 to DK_REDUNDANCY_BATCH: four frames each,
// newest first. Returns how many were left to decode, DK_ERR_ORDER if none was, or DK_ERR_ARGUMENT.
// What is given does not depend on how many are decoded at once. `features` has room for `most`
// times DK_RDOVAE_DEC_FEATURES; `trace` is NULL or takes as often DK_RDOVAE_DEC_TRACE_BYTES.
int32_t dk_redundancy_decode(dk_redundancy *self, dk_redundancy_scratch *work, unsigned most,
                             int16_t *features, uint8_t *trace);

#ifdef __cplusplus
}
#endif

#endif
