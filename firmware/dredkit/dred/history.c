// SPDX-License-Identifier: BSD-3-Clause
// The sender's memory between packets, and which of its steps a packet sends.
#include "dred/history.h"

#include <string.h>

#define STEP_SAMPLES 320
#define UNIT_SAMPLES 40  // 2.5 ms: the unit of offsets and voice flags
#define UNITS_PER_STEP 8
#define LOOK_AHEAD 6      // units: the 15 ms that the vocoder needs
#define START_SAMPLES 11  // zeros before the signal, as in libopus

int32_t dk_dred_history_init(dk_dred_history *history, const dk_dred_history_config *config)
{
    if (history == NULL || config == NULL || config->latent_frac > 15 || config->state_frac > 15 ||
        config->delay > DK_DRED_DELAY_MAX) {
        return DK_ERR_ARGUMENT;
    }
    memset(history, 0, sizeof *history);
    history->config = *config;
    history->waiting = START_SAMPLES;
    return 0;
}

// Age all flags by fewer than 32 units and set the newest ones to `active`.
static void shift_flags(uint32_t flags[DK_DRED_FLAG_WORDS], unsigned units, bool active)
{
    uint32_t carry = active ? (1u << units) - 1u : 0u;
    for (unsigned i = 0; i < DK_DRED_FLAG_WORDS; i++) {
        const uint32_t out = (uint32_t)((uint64_t)flags[i] << units >> 32);
        flags[i] = flags[i] << units | carry;
        carry = out;
    }
}

static bool is_length(unsigned samples)
{
    return samples > 0 && samples <= DK_DRED_PACKET_MAX && samples % UNIT_SAMPLES == 0;
}

int32_t dk_dred_history_hear(dk_dred_history *history, unsigned samples, bool active)
{
    if (history == NULL || !is_length(samples)) {
        return DK_ERR_ARGUMENT;
    }
    const unsigned waiting = history->waiting + samples;
    history->waiting = (uint16_t)(waiting % STEP_SAMPLES);
    unsigned units = samples / UNIT_SAMPLES;
    for (; units > 24; units -= 24) {
        shift_flags(history->flags, 24, active);
    }
    shift_flags(history->flags, units, active);
    return (int32_t)(waiting / STEP_SAMPLES);
}

void dk_dred_history_push(dk_dred_history *history, const int16_t latents[DK_DRED_LATENTS],
                          const int16_t state[DK_DRED_STATES])
{
    history->newest = (uint8_t)((history->newest > 0 ? history->newest : DK_DRED_SLOTS) - 1);
    memcpy(history->latents[history->newest], latents, sizeof history->latents[0]);
    memcpy(history->states[history->newest], state, sizeof history->states[0]);
    if (history->count < DK_DRED_SLOTS) {
        history->count++;
    }
}

static unsigned slot(const dk_dred_history *history, unsigned step)
{
    const unsigned at = history->newest + step;
    return at < DK_DRED_SLOTS ? at : at - DK_DRED_SLOTS;
}

static void widen(const int16_t *values, unsigned count, unsigned frac, int32_t *q16)
{
    for (unsigned i = 0; i < count; i++) {
        q16[i] = (int32_t)values[i] * (int32_t)(1u << (16 - frac));
    }
}

// Return the eight voice flags of a step of 20 ms.
static uint32_t flags_of(const dk_dred_history *history, unsigned step)
{
    return step < DK_DRED_SLOTS ? history->flags[step / 4] >> (8 * (step % 4)) & 0xff : 0;
}

// Return whether the 40 ms of a step's latent vector hold any voice.
static bool is_active(const dk_dred_history *history, unsigned step)
{
    return (flags_of(history, step) | flags_of(history, step + 1)) != 0;
}

// Where the packet starts: the first step that it sends.
typedef struct {
    unsigned first;
    int32_t offset;
    unsigned skipped;
} place;

// Return the place of a packet with the last `samples`, before silence is skipped.
static place newest_place(const dk_dred_history *history, unsigned samples)
{
    // What waited when the packet began. The packet's length in steps, rounded up, keeps it
    // positive.
    const unsigned whole = (samples + STEP_SAMPLES - 1) / STEP_SAMPLES * STEP_SAMPLES;
    const unsigned waited = (history->waiting + whole - samples) % STEP_SAMPLES;
    // The distance is 1.5 units and the delay, less the waiting samples. The added step keeps it
    // positive, since less than a step waits; so the division rounds down.
    const int32_t distance = UNIT_SAMPLES * 3 / 2 + history->config.delay - (int32_t)waited;
    int32_t offset = (distance + STEP_SAMPLES) / UNIT_SAMPLES - UNITS_PER_STEP;
    unsigned first = (waited + samples) / STEP_SAMPLES;
    // Send the first step that reaches the look-ahead beyond the packet's start, and none newer.
    for (; first > 0 && offset < LOOK_AHEAD; first--) {
        offset += UNITS_PER_STEP;
    }
    return (place){first, offset, 0};
}

static place find_place(dk_dred_history *history, unsigned samples)
{
    const place newest = newest_place(history, samples);
    unsigned first = newest.first;
    int32_t offset = newest.offset;
    const bool resumes = (history->flags[0] & 1) != 0 && history->skipped > 0;
    if (resumes && history->config.upstream_silence_offset) {
        first = history->skipped;
    } else if (resumes && history->skipped > first) {
        first = history->skipped;
        offset -= UNITS_PER_STEP * (int32_t)(first - newest.first);
    }
    const unsigned start = first;
    while (first < history->count && !is_active(history, first)) {
        first++;
    }
    const unsigned skipped = first - start;
    history->skipped = resumes ? 0 : (uint8_t)skipped;
    return (place){first, offset - UNITS_PER_STEP * (int32_t)skipped, skipped};
}

// Write all chunks that fit. Returns how many are worth sending.
static unsigned write_chunks(const dk_dred_history *history, dk_dred_writer *writer, unsigned first,
                             unsigned max_chunks)
{
    const unsigned most = (history->count - first) / 2;
    const unsigned count = most < max_chunks ? most : max_chunks;
    unsigned kept = 0;
    bool before = false;
    for (unsigned i = 0; i < count; i++) {
        const unsigned step = first + 2 * i;
        int32_t latents[DK_DRED_LATENTS];
        widen(history->latents[slot(history, step)], DK_DRED_LATENTS, history->config.latent_frac,
              latents);
        if (!dk_dred_writer_chunk(writer, latents)) {
            break;
        }
        const bool active = is_active(history, step);
        if (active || before) {
            dk_dred_writer_keep(writer);
            kept = i + 1;
        }
        before = active;
    }
    return kept;
}

int32_t dk_dred_history_payload(dk_dred_history *history, const dk_dred_tables *tables,
                                const dk_dred_rate *rate, unsigned samples, uint8_t *payload)
{
    if (history == NULL || rate == NULL || rate->max_chunks == 0 ||
        rate->max_chunks > DK_DRED_MAX_CHUNKS || !is_length(samples)) {
        return DK_ERR_ARGUMENT;
    }
    dk_dred_header header = {rate->q0, rate->dq, rate->qmax, 0};
    dk_dred_writer writer;
    const int32_t error = dk_dred_writer_init(&writer, tables, &header, payload, rate->max_bytes);
    if (error < 0) {
        return error;
    }
    const place at = find_place(history, samples);
    if (at.first + 1 >= history->count) {
        return 0;
    }
    header.offset = (int16_t)at.offset;
    dk_dred_writer_init(&writer, tables, &header, payload, rate->max_bytes);
    int32_t state[DK_DRED_STATES];
    widen(history->states[slot(history, at.first)], DK_DRED_STATES, history->config.state_frac,
          state);
    if (!dk_dred_writer_state(&writer, state)) {
        return 0;
    }
    const unsigned kept = write_chunks(history, &writer, at.first, rate->max_chunks);
    if (kept == 0 || (kept == 1 && at.skipped > 0)) {
        return 0;
    }
    return (int32_t)dk_dred_writer_finish(&writer);
}
