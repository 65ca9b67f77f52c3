// SPDX-License-Identifier: BSD-3-Clause
// The whole receiver: takes DRED payloads and continues the last good samples as 16 kHz PCM.
// quantize/codec/receiver.py defines it to the bit and describes its time axis.
//
//   a good packet arrived    dk_decoder_hear
//   packets were lost, and   dk_decoder_payload; dk_decoder_decode while dk_decoder_chunks_wanted;
//   redundancy arrived       dk_decoder_speak for every 20 ms of the gap; then dk_decoder_hear
//   nothing arrived          dk_decoder_speak, which fades out the last known features
//
// A chunk may be decoded at any time before it is spoken, so the work can be spread. Payloads are
// not trusted: any bytes and any order of calls are harmless.
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
#define DK_DECODER_SAMPLES (2 * DK_DECODER_FRAME)  // samples heard or spoken by one call
#define DK_DECODER_FRAMES (DK_DRED_MAX_CHUNKS * DK_REDUNDANCY_CHUNK_FRAMES)
#define DK_DECODER_CONTEXT 4       // feature frames that a voice starts from
#define DK_DECODER_PAST 17         // samples that a voice starts from
#define DK_DECODER_KNOWN_FRAMES 1  // frames of heard samples that the voice follows, then it speaks
#define DK_DECODER_HEARD (DK_DECODER_PAST + DK_DECODER_KNOWN_FRAMES * DK_DECODER_FRAME)
#define DK_DECODER_GAP_MAX 65535  // samples

// All int16 layer outputs of the two networks: first the initial network's, then, for each chunk
// of a batch, the decoder's.
#define DK_DECODER_TRACE_BYTES \
    (DK_RDOVAE_DEC_INIT_TRACE_BYTES + DK_REDUNDANCY_BATCH * DK_RDOVAE_DEC_TRACE_BYTES)

// The weights of a receiver. DK_VOICE_WEIGHTS is the type of the voice's, if it has any.
typedef struct {
    dk_redundancy_weights redundancy;
#if defined(DK_VOICE_WEIGHTS)
    DK_VOICE_WEIGHTS voice;
#endif
} dk_receiver_weights;

// One receiver. The caller provides the memory; all fields are private.
typedef struct {
    dk_redundancy redundancy;
    dk_vocoder voice;
    int16_t features[DK_DECODER_FRAMES][DK_REDUNDANCY_FEATURES];  // Q10, newest first
    int16_t heard[DK_DECODER_HEARD];                              // the last samples played
    int32_t next;    // k of the next frame, heard or spoken
    uint8_t frames;  // number of frames with known features
    bool speaking;
    dk_redundancy_scratch work;
} dk_decoder;

// Initialise a receiver that has heard nothing. What `weights` points to must outlive `decoder`.
void dk_decoder_init_with(dk_decoder *decoder, const dk_receiver_weights *weights);

#if defined(DK_RDOVAE_DEC_LINKED)
// Initialise a receiver with the weights that are linked into the image.
void dk_decoder_init(dk_decoder *decoder);
#endif

// Take 20 ms of good samples and write what to play: the same samples, except for a cross-fade of
// 5 ms where a gap has just ended. `pcm` and `out` may be the same array.
void dk_decoder_hear(dk_decoder *decoder, const int16_t pcm[DK_DECODER_SAMPLES],
                     int16_t out[DK_DECODER_SAMPLES]);

// Take a payload of `size` bytes. `gap` is the distance, 0 to DK_DECODER_GAP_MAX samples, from the
// next sample to be heard or spoken to the first sample of the packet that brought the payload.
// Returns the number of chunks; features decoded from earlier payloads are dropped. Returns
// DK_ERR_ARGUMENT if `gap` is out of range. On a malformed payload, returns dk_dred_parse's error;
// pending chunks are dropped, features already decoded stay. `trace` is NULL or has room for
// DK_RDOVAE_DEC_INIT_TRACE_BYTES.
int32_t dk_decoder_payload(dk_decoder *decoder, uint32_t gap, const uint8_t *data, size_t size,
                           uint8_t *trace);

// Return the number of chunks in the payload.
unsigned dk_decoder_chunks(const dk_decoder *decoder);

// Return how many more chunks are worth decoding for the gap.
unsigned dk_decoder_chunks_wanted(const dk_decoder *decoder);

// Decode up to `most` (1 to DK_REDUNDANCY_BATCH) further chunks, newest first, and point `features`
// to their features, DK_RDOVAE_DEC_FEATURES a chunk. A larger batch reads slow memory less often,
// but the call takes correspondingly longer. Returns the number of chunks decoded, DK_ERR_ORDER if
// none is left, or DK_ERR_ARGUMENT. `trace` is NULL or has room for `most` times
// DK_RDOVAE_DEC_TRACE_BYTES.
int32_t dk_decoder_decode(dk_decoder *decoder, unsigned most, const int16_t **features,
                          uint8_t *trace);

// Speak 20 ms in place of lost samples. The first call of a gap also runs the voice over the last
// samples played, which is half as much work again.
void dk_decoder_speak(dk_decoder *decoder, int16_t out[DK_DECODER_SAMPLES]);

#ifdef __cplusplus
}
#endif

#endif
