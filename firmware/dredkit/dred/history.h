// SPDX-License-Identifier: BSD-3-Clause
// The sender's memory between packets: latents, states, voice activity and time.
// quantize/dred/history.py defines it. libopus signals a wrong offset after silence; this code does
// so only if the configuration asks for it. The history takes about 8 KB. The work per 20 ms is
// constant; only writing a payload grows with the payload's depth.
#ifndef DREDKIT_DRED_HISTORY_H
#define DREDKIT_DRED_HISTORY_H

#include "dred/payload.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_DRED_SLOTS 52         // steps of 20 ms: 1.04 s
#define DK_DRED_FLAG_WORDS 13    // words of 32 voice flags, 2.5 ms each: 1.04 s
#define DK_DRED_DELAY 64         // samples at 16 kHz: Opus' own delay compensation
#define DK_DRED_DELAY_MAX 560    // a larger delay would not fit the offset
#define DK_DRED_PACKET_MAX 1920  // samples: 120 ms

typedef struct {
    uint8_t latent_frac;           // fractional bits of the int16 latents, 0 .. 15
    uint8_t state_frac;            // fractional bits of the int16 states, 0 .. 15
    uint16_t delay;                // base codec's, samples at 16 kHz; DK_DRED_DELAY for Opus
    bool upstream_silence_offset;  // signal the first packet after silence as libopus 1.6.1 does
} dk_dred_history_config;

// The caller's decisions: the level law as in dk_dred_header, depth and budget.
typedef struct {
    uint8_t q0;
    uint8_t dq;
    uint8_t qmax;
    uint8_t max_chunks;  // 1 .. 26
    uint16_t max_bytes;  // 1 .. 1000
} dk_dred_rate;

// Slot (newest + k) % 52 holds the step from k steps ago. The voice flag of the 2.5 ms from k units
// ago is bit k % 32 of word k / 32.
typedef struct {
    dk_dred_history_config config;
    int16_t latents[DK_DRED_SLOTS][DK_DRED_LATENTS];
    int16_t states[DK_DRED_SLOTS][DK_DRED_STATES];
    uint32_t flags[DK_DRED_FLAG_WORDS];
    uint16_t waiting;  // samples that do not fill a step yet
    uint8_t newest;
    uint8_t count;
    uint8_t skipped;  // silent steps that the previous packet skipped
} dk_dred_history;

// Initialise to silence. Returns 0 or DK_ERR_ARGUMENT.
int32_t dk_dred_history_init(dk_dred_history *history, const dk_dred_history_config *config);

// Hear `samples` at 16 kHz (2.5 to 120 ms, a multiple of 40): a packet, or a piece of one. `active`
// is the voice decision for all of them. Returns the number of 20-ms steps that they complete, or
// DK_ERR_ARGUMENT. Call dk_dred_history_push once for each of these steps.
int32_t dk_dred_history_hear(dk_dred_history *history, unsigned samples, bool active);

// Add a completed step.
void dk_dred_history_push(dk_dred_history *history, const int16_t latents[DK_DRED_LATENTS],
                          const int16_t state[DK_DRED_STATES]);

// Write a packet's redundancy into `payload`, which has room for rate->max_bytes. The packet holds
// the last `samples` heard, at 16 kHz, 2.5 to 120 ms. Returns the number of bytes, 0 if nothing is
// worth sending or nothing fits, or DK_ERR_ARGUMENT. Call this once per packet.
int32_t dk_dred_history_payload(dk_dred_history *history, const dk_dred_tables *tables,
                                const dk_dred_rate *rate, unsigned samples, uint8_t *payload);

#ifdef __cplusplus
}
#endif

#endif
