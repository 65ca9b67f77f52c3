// SPDX-License-Identifier: BSD-3-Clause
// The whole receiver: DRED payloads in, 16 kHz PCM out, continued from the last good samples.
// quantize/codec/receiver.py is the definition, to the bit, and says how time runs.
//
//   a good packet      dk_decoder_hear
//   packets lost, and  dk_decoder_payload, dk_decoder_decode while dk_decoder_chunks_wanted, then
//   redundancy came    dk_decoder_speak for every 20 ms of the gap, then dk_decoder_hear
//   nothing came       dk_decoder_speak fades out what was known last
//
// A chunk may be decoded at any time before it is spoken, so that the work can be spread. Payloads
// are not trusted: any bytes, and any order of calls, are harmless.
#ifndef DREDKIT_DECODER_H
#define DREDKIT_DECODER_H

#include <stdbool.h>

#include "codec/redundancy.h"
#include "dredkit/status.h"
#include "vocoder_config.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_DECODER_FRAME 160                       // samples of a feature frame: 10 ms
#define DK_DECODER_SAMPLES (2 * DK_DECODER_FRAME)  // that are heard or spoken at once
#define DK_DECODER_FRAMES (DK_DRED_MAX_CHUNKS * DK_REDUNDANCY_CHUNK_FRAMES)
#define DK_DECODER_CONTEXT 4       // feature frames that a voice begins with
#define DK_DECODER_PAST 17         // samples that it begins with
#define DK_DECODER_KNOWN_FRAMES 1  // frames of heard samples that it is run over before it speaks
#define DK_DECODER_HEARD (DK_DECODER_PAST + DK_DECODER_KNOWN_FRAMES * DK_DECODER_FRAME)
#define DK_DECODER_GAP_MAX 65535  // samples

// All int16 values of the two networks' layers, those of the initial one first, then those of each
// chunk that is decoded at once.
#define DK_DECODER_TRACE_BYTES \
    (DK_RDOVAE_DEC_INIT_TRACE_BYTES + DK_REDUNDANCY_BATCH * DK_RDOVAE_DEC_TRACE_BYTES)

// Entropy tables of the model, generated.
extern const dk_dred_tables dk_decoder_tables;

// One receiver; the caller gives the memory. Nothing in it is for the caller.
typedef struct {
    dk_redundancy redundancy;
    dk_vocoder voice;
    int16_t features[DK_DECODER_FRAMES][DK_REDUNDANCY_FEATURES];  // Q10, newest first
    int16_t heard[DK_DECODER_HEARD];                              // the last samples played
    int32_t next;    // k of the next frame, heard or spoken
    uint8_t frames;  // whose features are known
    bool speaking;
    dk_redundancy_scratch work;
} dk_decoder;

// Start with nothing heard.
void dk_decoder_init(dk_decoder *decoder);

// Take good samples and write what to play: the same, but for a cross-fade of 5 ms where a gap has
// just ended. `pcm` and `out` may be the same.
void dk_decoder_hear(dk_decoder *decoder, const int16_t pcm[DK_DECODER_SAMPLES],
                     int16_t out[DK_DECODER_SAMPLES]);

// Take a payload of `size` bytes. The next sample, heard or spoken, is `gap` samples, 0 to
// DK_DECODER_GAP_MAX, before the first one of the packet that brought it. Features decoded before
// are forgotten. Returns how many chunks there are, or an error: DK_ERR_ARGUMENT for the gap, and
// that of dk_dred_parse for a payload that is none, after which no chunk is left to decode, but
// features decoded before are kept. `trace` is NULL or takes DK_RDOVAE_DEC_INIT_TRACE_BYTES.
int32_t dk_decoder_payload(dk_decoder *decoder, uint32_t gap, const uint8_t *data, size_t size,
                           uint8_t *trace);

// How many chunks the payload has, and how many more of them are of use for the gap.
unsigned dk_decoder_chunks(const dk_decoder *decoder);
unsigned dk_decoder_chunks_wanted(const dk_decoder *decoder);

// Decode the next chunks, newest first, up to `most`, 1 to DK_REDUNDANCY_BATCH, and point
// `features` to theirs, DK_RDOVAE_DEC_FEATURES each. More at once read slow memory less often, but
// take as much longer. Returns how many were decoded, DK_ERR_ORDER if there is no other, or
// DK_ERR_ARGUMENT. `trace` is NULL or takes `most` times DK_RDOVAE_DEC_TRACE_BYTES.
int32_t dk_decoder_decode(dk_decoder *decoder, unsigned most, const int16_t **features,
                          uint8_t *trace);

// Speak in place of lost samples. The first call of a gap runs the voice over the last samples
// played as well: half as much work again.
void dk_decoder_speak(dk_decoder *decoder, int16_t out[DK_DECODER_SAMPLES]);

#ifdef __cplusplus
}
#endif

#endif
