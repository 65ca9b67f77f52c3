// SPDX-License-Identifier: BSD-3-Clause
// The sender behind dredkit/sender.h: takes PCM, 10 ms at a time, and writes a DRED payload for
// each packet. quantize/codec/sender.py defines it to the bit. Every step of 20 ms costs the same,
// except for the payload itself. The generated sender_config.h fixes the input rate, so memory and
// work are only what this rate needs.
#ifndef DREDKIT_CODEC_SENDER_H
#define DREDKIT_CODEC_SENDER_H

#include "dred/history.h"
#include "dsp/resample.h"
#include "features/features.h"
#include "pitch.h"
#include "rdovae_enc.h"
#include "sender_config.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_SENDER_CORE_FRAME (DK_SENDER_CORE_RATE / 100)  // samples of a frame: 10 ms
#define DK_SENDER_CORE_FRAMES 2                           // frames in a step of 20 ms
#define DK_SENDER_CORE_UNIT 40   // samples at 16 kHz in a unit of a packet's length: 2.5 ms
#define DK_SENDER_CORE_DELAY 11  // samples at 16 kHz by which libopus delays any input

// All int16 values that a step computes: for each frame the pitch network's inputs, its layers and
// the features; then the layers of the RDO-VAE.
#define DK_SENDER_CORE_TRACE_BYTES \
    (DK_SENDER_CORE_FRAMES * \
         (2 * (DK_PHASES + DK_PITCH_LAGS + DK_FEATURES) + DK_PITCH_TRACE_BYTES) + \
     DK_RDOVAE_ENC_TRACE_BYTES)

// Scratch for one step. The networks run one after the other and share it.
typedef union {
    struct {
        int16_t phases[DK_PHASES];
        int16_t lags[DK_PITCH_LAGS];
        int8_t phases8[DK_PHASES];
        int16_t logits[DK_PITCH_LOGITS];
        dk_pitch_scratch network;
    } pitch;
    struct {
        int16_t latents[DK_RDOVAE_ENC_LATENTS];
        int16_t initial_state[DK_RDOVAE_ENC_INITIAL_STATE];
        dk_rdovae_enc_scratch network;
    } rdovae;
} dk_sender_core_scratch;

// The weights of a sender's networks and the model's entropy tables.
typedef struct {
    const dk_dred_tables *tables;
    const dk_pitch_weights *pitch;
    const dk_rdovae_enc_weights *rdovae_enc;
} dk_sender_weights;

// One sender. The caller provides the memory; all fields are private.
typedef struct {
    dk_sender_weights weights;
    dk_features features;
    dk_pitch pitch;
    dk_rdovae_enc rdovae;
    dk_dred_history history;
#if DK_SENDER_CORE_RATE != 16000
    dk_resampler resampler;
#endif
    int16_t delayed[DK_SENDER_CORE_DELAY];
    int16_t step[DK_SENDER_CORE_FRAMES * DK_FEATURES];
    uint8_t frames;  // frames heard that complete no step yet: 0 or 1
    dk_sender_core_scratch work;
} dk_sender_core;

// Initialise a sender that has heard only silence. What `weights` points to must outlive `core`.
// `delay` is the base codec's, 0 .. DK_DRED_DELAY_MAX samples at 16 kHz. Returns 0 or
// DK_ERR_ARGUMENT.
int32_t dk_sender_core_init_with(dk_sender_core *core, const dk_sender_weights *weights,
                                 uint16_t delay);

#if defined(DK_PITCH_LINKED)
// The same with the weights that are linked into the image.
int32_t dk_sender_core_init(dk_sender_core *core, uint16_t delay);
#endif

// Hear 10 ms at DK_SENDER_CORE_RATE. `active` is the caller's voice decision for them. Every second
// call completes a step and runs the encoder network. `trace` is NULL, or where this step's trace
// goes on; returns its end, or NULL. A whole step fills DK_SENDER_CORE_TRACE_BYTES.
uint8_t *dk_sender_core_hear(dk_sender_core *core, const int16_t pcm[DK_SENDER_CORE_FRAME],
                             bool active, uint8_t *trace);

// Write the redundancy of a packet of `units` of 2.5 ms, 1 .. 48, whose last sample is the last one
// heard. Writes at most rate->max_bytes bytes and returns their number, 0 if there is nothing worth
// sending, or DK_ERR_ARGUMENT.
int32_t dk_sender_core_payload(dk_sender_core *core, const dk_dred_rate *rate, unsigned units,
                               uint8_t *payload);

// Return the last step's latents[DK_DRED_LATENTS], with DK_RDOVAE_ENC_LATENTS_FRAC fractional bits.
// Valid after the call of dk_sender_core_hear that completed the step, until the next one.
const int16_t *dk_sender_core_latents(const dk_sender_core *core);

// Return the last step's initial state for the decoder, [DK_DRED_STATES], with
// DK_RDOVAE_ENC_INITIAL_STATE_FRAC fractional bits. Valid as long as the latents.
const int16_t *dk_sender_core_state(const dk_sender_core *core);

#ifdef __cplusplus
}
#endif

#endif
