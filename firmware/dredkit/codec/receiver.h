// SPDX-License-Identifier: BSD-3-Clause
// The core of a receiver: good samples and DRED payloads in, PCM out, 10 ms at a time.
// quantize/codec/receiver.py defines it to the bit and describes its time. Applications use
// dredkit/receiver.h, which adds time stamps; the serial server uses the core, for its traces.
//
// Payloads are not trusted: any bytes and any order of calls are harmless.
#ifndef DREDKIT_CODEC_RECEIVER_H
#define DREDKIT_CODEC_RECEIVER_H

#include <stdbool.h>

#include "codec/pending.h"
#include "dredkit/status.h"
#include "dsp/thirds.h"
#include "plc/concealment.h"
#include "vocoder_config.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_RECEIVER_CORE_FRAME 160  // samples of 10 ms at 16 kHz
#define DK_RECEIVER_CORE_UP (DK_RECEIVER_CORE_RATE / 16000)
#define DK_RECEIVER_CORE_SAMPLES (DK_RECEIVER_CORE_UP * DK_RECEIVER_CORE_FRAME)  // of a call
#define DK_RECEIVER_CORE_OVER_MAX 60                                             // ms
#define DK_RECEIVER_CORE_FADE_MAX 40                                             // ms

// Samples at 16 kHz that are analysed when a gap begins, and samples kept for them at the output
// rate. A voice begins with the last of them.
#define DK_RECEIVER_CORE_HEARD DK_HEARD_SAMPLES
#if DK_RECEIVER_CORE_RATE == 16000
#define DK_RECEIVER_CORE_PLAYED DK_RECEIVER_CORE_HEARD
#elif DK_RECEIVER_CORE_RATE == 48000
#define DK_RECEIVER_CORE_PLAYED (3 * (DK_RECEIVER_CORE_HEARD + DK_THIRDS_REACH))
#else
#error "a receiver plays 16000 or 48000 samples a second"
#endif

// All int16 layer outputs of the two networks: first the initial network's, then, for each chunk
// of a batch, the decoder's.
#define DK_RECEIVER_CORE_TRACE_BYTES \
    (DK_RDOVAE_DEC_INIT_TRACE_BYTES + DK_REDUNDANCY_BATCH * DK_RDOVAE_DEC_TRACE_BYTES)

// Where the last 10 ms came from.
typedef enum {
    DK_RECEIVER_CORE_NORMAL,     // good samples
    DK_RECEIVER_CORE_RECOVERED,  // samples from LBRR
    DK_RECEIVER_CORE_DRED,       // the voice, with features of a payload
    DK_RECEIVER_CORE_PLC,        // the voice, with features that were predicted or held
    DK_RECEIVER_CORE_FADE,       // the voice, fading into good samples
    DK_RECEIVER_CORE_CONCEALED,  // the base codec's own concealment
} dk_receiver_core_source;

typedef struct {
    uint8_t over_ms;  // of good samples that the voice speaks over: 0, 10 .. 60
    uint8_t fade_ms;  // of the fade that follows: 1 .. 40
} dk_receiver_core_config;

// The weights of a receiver. DK_VOICE_WEIGHTS is the type of the voice's, if it has any; zeros
// stand for a voice that is linked into the image.
typedef struct {
    dk_redundancy_weights redundancy;
#if defined(DK_VOICE_WEIGHTS)
    DK_VOICE_WEIGHTS voice;
#endif
#if DK_PLC_PREDICTOR
    const dk_predictor_weights *predictor;
#endif
} dk_receiver_weights;

// One receiver. The caller provides the memory and may read `source` and `track.now`.
typedef struct {
    dk_pending pending;
    dk_track track;
    dk_plc plc;
    dk_vocoder voice;
    int16_t played[DK_RECEIVER_CORE_PLAYED];  // the last samples played
#if DK_RECEIVER_CORE_UP > 1
    // The voice's samples at 16 kHz that are not played yet, and DK_THIRDS_REACH before them.
    int16_t speech[2 * DK_RECEIVER_CORE_FRAME + DK_THIRDS_REACH];
    uint16_t spoken;  // how many these are
#endif
    uint32_t next;       // the slot that the voice speaks next
    int32_t fade_step;   // half the step of the fade's weight, Q26
    uint16_t fade;       // samples of a fade
    uint16_t faded;      // samples of the fade that were played
    uint8_t over_slots;  // slots that the voice speaks over good samples after a gap
    uint8_t over;        // how many of them are left
    uint8_t concealed;   // slots of this gap in which the base codec concealed, up to BRIDGE
    bool adding;         // whether what the base codec made was added to the last slot
    uint8_t quiet;       // slots since the voice spoke, up to a few
    bool speaking;
    bool prepared;  // the voice can speak slot `now` at once
    bool expected;  // slot `gap` is known to be where the next gap begins
    bool told;      // something has told where a gap begins
    bool conceals;  // the last gap was played by dk_receiver_core_concealed
    bool listens;   // `plc` hears what is played before slot `listened`
    uint32_t gap;
    uint32_t listened;
    dk_receiver_core_source source;
    union {
        dk_pending_scratch pending;
        struct {
            dk_plc_scratch plc;
#if DK_RECEIVER_CORE_UP > 1
            int16_t heard[DK_VOCODER_PAST + DK_VOCODER_KNOWN_FRAMES * DK_RECEIVER_CORE_FRAME];
#endif
        } gap;
    } work;
} dk_receiver_core;

// Initialise a receiver that has heard nothing. What `weights` points to must outlive `core`.
// Returns DK_OK, or DK_ERR_ARGUMENT for a parameter out of range.
int32_t dk_receiver_core_init_with(dk_receiver_core *core, const dk_receiver_weights *weights,
                                   const dk_receiver_core_config *config);

#if defined(DK_RDOVAE_DEC_LINKED)
// The same with the weights that are linked into the image.
int32_t dk_receiver_core_init(dk_receiver_core *core, const dk_receiver_core_config *config);
#endif

// Take the payload of a packet whose first sample comes `ahead` samples (at 16 kHz, negative for a
// packet that was played) after the next one. Returns the number of chunks, or dk_dred_parse's
// error, after which nothing has changed. `trace` is NULL or has room for
// DK_RDOVAE_DEC_INIT_TRACE_BYTES.
int32_t dk_receiver_core_payload(dk_receiver_core *core, int32_t ahead, const uint8_t *data,
                                 size_t size, uint8_t *trace);

// Return the number of chunks of the payload that is being decoded.
unsigned dk_receiver_core_chunks(const dk_receiver_core *core);

// Return how many chunks of the payload decoded next are of use; 0 if none of any payload is.
unsigned dk_receiver_core_chunks_wanted(const dk_receiver_core *core);

// Decode up to `most` (1 to DK_REDUNDANCY_BATCH) chunks of one payload, newest first, and point
// `features` to their features, DK_RDOVAE_DEC_FEATURES a chunk. A larger batch reads slow memory
// less often, but the call takes correspondingly longer. Returns the number of chunks decoded,
// DK_ERR_ORDER if none is left, or DK_ERR_ARGUMENT. `trace` is NULL or has room for
// DK_RECEIVER_CORE_TRACE_BYTES.
int32_t dk_receiver_core_decode(dk_receiver_core *core, unsigned most, const int16_t **features,
                                uint8_t *trace);

// Decode up to `budget` chunks of use. Returns what is left of the budget.
unsigned dk_receiver_core_decode_wanted(dk_receiver_core *core, unsigned budget);

// Take note that the next gap begins `slots` after slot `now`. What was noted before is forgotten,
// and so is this when that slot is played. Where this is called once, the voice is prepared for no
// gap of which it does not tell.
void dk_receiver_core_expect(dk_receiver_core *core, uint32_t slots);

// Decode up to `budget` chunks of use and prepare the voice for a gap, which costs one of the
// budget: before the last chunk if the voice is known to speak slot `now`, else after all chunks.
// If a gap begins soon, what was played is analysed besides, up to four frames a call. Returns how
// many are still wanted, 0 if nothing is.
unsigned dk_receiver_core_work(dk_receiver_core *core, unsigned budget);

// Take 10 ms of good samples, or of recovered ones, and write what to play. `pcm` and `out` may be
// the same array.
void dk_receiver_core_good(dk_receiver_core *core, const int16_t pcm[DK_RECEIVER_CORE_SAMPLES],
                           bool recovered, int16_t out[DK_RECEIVER_CORE_SAMPLES]);

// Speak 10 ms in place of lost samples.
void dk_receiver_core_lost(dk_receiver_core *core, int16_t out[DK_RECEIVER_CORE_SAMPLES]);

// The same, where the base codec made `pcm` of the lost samples: it plays for up to 120 ms of a
// gap that no payload covers, and is added to the voice after that. `pcm` and `out` may be the same
// array.
void dk_receiver_core_concealed(dk_receiver_core *core, const int16_t pcm[DK_RECEIVER_CORE_SAMPLES],
                                int16_t out[DK_RECEIVER_CORE_SAMPLES]);

// Move the clock by slots of either sign, as where the player skips or repeats audio.
void dk_receiver_core_move(dk_receiver_core *core, int32_t slots);

// Forget all redundancy, as where the time jumps.
void dk_receiver_core_forget(dk_receiver_core *core);

#ifdef __cplusplus
}
#endif

#endif
