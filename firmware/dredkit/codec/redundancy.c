// SPDX-License-Identifier: BSD-3-Clause
// Dequantises a parsed payload and runs the RDO-VAE decoder on it.
#include "codec/redundancy.h"

#include <assert.h>
#include <string.h>

#include "dred/levels.h"

enum { GRUS = 5 };

static_assert(DK_RDOVAE_DEC_CHUNK == DK_DRED_LATENTS + 1, "a chunk is its latents and its level");
static_assert(DK_RDOVAE_DEC_INIT_INITIAL_STATE == DK_DRED_STATES,
              "the initial state is coded whole");
static_assert(DK_RDOVAE_DEC_FEATURES == DK_REDUNDANCY_CHUNK_FRAMES * DK_REDUNDANCY_FEATURES,
              "a chunk is whole frames");

void dk_redundancy_init_with(dk_redundancy *redundancy, const dk_redundancy_weights *weights)
{
    memset(redundancy, 0, sizeof *redundancy);
    redundancy->weights = *weights;
}

#if defined(DK_RDOVAE_DEC_LINKED)
void dk_redundancy_init(dk_redundancy *redundancy, const dk_dred_tables *tables)
{
    const dk_redundancy_weights linked = {tables, &dk_rdovae_dec_init_linked,
                                          &dk_rdovae_dec_linked};
    dk_redundancy_init_with(redundancy, &linked);
}
#endif

static void dequantise(const int16_t *symbols, const dk_dred_row *row, unsigned frac, int16_t *out)
{
    for (unsigned i = 0; i < row->count; i++) {
        out[i] = dk_dred_to_input(dk_dred_dequantise(symbols[i], row->scale[i]), frac);
    }
}

// Distribute the initial states among the GRUs.
static void start_network(dk_rdovae_dec *network, const int16_t *states)
{
    dk_rdovae_dec_reset(network);
    int16_t *const to[GRUS] = {
        network->dec_gru1_state, network->dec_gru2_state, network->dec_gru3_state,
        network->dec_gru4_state, network->dec_gru5_state,
    };
    const size_t bytes = sizeof network->dec_gru1_state;
    static_assert(GRUS * sizeof network->dec_gru1_state ==
                      DK_RDOVAE_DEC_INIT_GRU_STATES * sizeof states[0],
                  "the initial network gives the states of all GRUs");
    for (size_t i = 0; i < GRUS; i++) {
        memcpy(to[i], states + i * (bytes / sizeof states[0]), bytes);
    }
}

void dk_redundancy_start(dk_redundancy *redundancy, dk_redundancy_scratch *work,
                         const dk_dred_payload *payload, uint8_t *trace)
{
    const dk_dred_row row = dk_dred_state_row(redundancy->weights.tables, payload->header.q0);
    int16_t *initial_state = work->start.initial_state;
    dequantise(payload->state, &row, DK_RDOVAE_DEC_INIT_INITIAL_STATE_FRAC, initial_state);
    dk_rdovae_dec_init_step(redundancy->weights.start, &work->start.network, &work->start.scratch,
                            initial_state, work->start.gru_states, trace);
    start_network(&redundancy->network, work->start.gru_states);
    redundancy->chunks = payload->chunk_count;
    redundancy->decoded = 0;
}

// Write the network's input for a chunk: its latents and its level.
static void take(const dk_redundancy *redundancy, const dk_dred_payload *payload, unsigned chunk,
                 int16_t input[DK_RDOVAE_DEC_CHUNK])
{
    const unsigned level = dk_dred_level(&payload->header, chunk);
    const dk_dred_row row = dk_dred_latent_row(redundancy->weights.tables, level);
    dequantise(payload->chunks[chunk], &row, DK_RDOVAE_DEC_CHUNK_FRAC, input);
    input[DK_DRED_LATENTS] = dk_dred_level_input(level, DK_RDOVAE_DEC_CHUNK_FRAC);
}

int32_t dk_redundancy_decode(dk_redundancy *redundancy, dk_redundancy_scratch *work,
                             const dk_dred_payload *payload, unsigned most, int16_t *features,
                             uint8_t *trace)
{
    const unsigned left = (unsigned)(redundancy->chunks - redundancy->decoded);
    const unsigned count = left < most ? left : most;
    if (most == 0 || most > DK_REDUNDANCY_BATCH) {
        return DK_ERR_ARGUMENT;
    }
    if (count == 0) {
        return DK_ERR_ORDER;
    }
    for (unsigned i = 0; i < count; i++) {
        take(redundancy, payload, redundancy->decoded + i, work->step.chunks[i]);
    }
#if DK_REDUNDANCY_BATCH > 1
    dk_rdovae_dec_steps(redundancy->weights.step, &redundancy->network, &work->step.scratch, count,
                        work->step.chunks[0], features, trace);
#else
    dk_rdovae_dec_step(redundancy->weights.step, &redundancy->network, &work->step.scratch,
                       work->step.chunks[0], features, trace);
#endif
    redundancy->decoded = (uint8_t)(redundancy->decoded + count);
    return (int32_t)count;
}
