// SPDX-License-Identifier: BSD-3-Clause
// The whole receiver: takes DRED payloads and continues the last good samples as 16 kHz PCM.
// quantize/codec/receiver.py defines it to the bit and describes its time axis.
//
//   a good packet arrived    dk_receiver_core_hear
//   packets were lost, and   dk_receiver_core_payload; dk_receiver_core_decode while
//   dk_receiver_core_chunks_wanted; redundancy arrived       dk_receiver_core_speak for every 20 ms
//   of the gap; then dk_receiver_core_hear nothing arrived          dk_receiver_core_speak, which
//   fades out the last known features
//
// A chunk may be decoded at any time before it is spoken, so the work can be spread. Payloads are
// not trusted: any bytes and any order of calls are harmless.
#ifndef DREDKIT_CODEC_RECEIVER_H
#define DREDKIT_CODEC_RECEIVER_H

#include <stdbool.h>

#include "codec/redundancy.h"
#include "dredkit/status.h"
#include "vocoder_config.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_RECEIVER_CORE_FRAME 160  // samples of a feature frame: 10 ms
#define DK_RECEIVER_CORE_SAMPLES \
    (2 * DK_RECEIVER_CORE_FRAME)  // samples heard or spoken by one call
#define DK_RECEIVER_CORE_FRAMES (DK_DRED_MAX_CHUNKS * DK_REDUNDANCY_CHUNK_FRAMES)
#define DK_RECEIVER_CORE_HEARD (DK_VOCODER_PAST + DK_VOCODER_KNOWN_FRAMES * DK_RECEIVER_CORE_FRAME)
#define DK_RECEIVER_CORE_GAP_MAX 65535  // samples

// All int16 layer outputs of the two networks: first the initial network's, then, for each chunk
// of a batch, the decoder's.
#define DK_RECEIVER_CORE_TRACE_BYTES \
    (DK_RDOVAE_DEC_INIT_TRACE_BYTES + DK_REDUNDANCY_BATCH * DK_RDOVAE_DEC_TRACE_BYTES)

// The model's entropy tables; generated.
extern const dk_dred_tables dk_decoder_tables;

// One receiver. The caller provides the memory; all fields are private.
typedef struct {
    dk_redundancy redundancy;
    dk_vocoder voice;
    int16_t features[DK_RECEIVER_CORE_FRAMES][DK_REDUNDANCY_FEATURES];  // Q10, newest first
    int16_t heard[DK_RECEIVER_CORE_HEARD];                              // the last samples played
    int32_t next;    // k of the next frame, heard or spoken
    uint8_t frames;  // number of frames with known features
    bool speaking;
    dk_redundancy_scratch work;
} dk_receiver_core;

// Initialise a receiver that has heard nothing.
void dk_receiver_core_init(dk_receiver_core *decoder);

// Take 20 ms of good samples and write what to play: the same samples, except for a cross-fade of
// 5 ms where a gap has just ended. `pcm` and `out` may be the same array.
void dk_receiver_core_hear(dk_receiver_core *decoder, const int16_t pcm[DK_RECEIVER_CORE_SAMPLES],
                           int16_t out[DK_RECEIVER_CORE_SAMPLES]);

// Take a payload of `size` bytes. `gap` is the distance, 0 to DK_RECEIVER_CORE_GAP_MAX samples,
// from the next sample to be heard or spoken to the first sample of the packet that brought the
// payload. Returns the number of chunks; features decoded from earlier payloads are dropped.
// Returns DK_ERR_ARGUMENT if `gap` is out of range. On a malformed payload, returns dk_dred_parse's
// error; pending chunks are dropped, features already decoded stay. `trace` is NULL or has room for
// DK_RDOVAE_DEC_INIT_TRACE_BYTES.
int32_t dk_receiver_core_payload(dk_receiver_core *decoder, uint32_t gap, const uint8_t *data,
                                 size_t size, uint8_t *trace);

// Return the number of chunks in the payload.
unsigned dk_receiver_core_chunks(const dk_receiver_core *decoder);

// Return how many more chunks are worth decoding for the gap.
unsigned dk_receiver_core_chunks_wanted(const dk_receiver_core *decoder);

// Decode up to `most` (1 to DK_REDUNDANCY_BATCH) further chunks, newest first, and point `features`
// to their features, DK_RDOVAE_DEC_FEATURES a chunk. A larger batch reads slow memory less often,
// but the call takes correspondingly longer. Returns the number of chunks decoded, DK_ERR_ORDER if
// none is left, or DK_ERR_ARGUMENT. `trace` is NULL or has room for `most` times
// DK_RDOVAE_DEC_TRACE_BYTES.
int32_t dk_receiver_core_decode(dk_receiver_core *decoder, unsigned most, const int16_t **features,
                                uint8_t *trace);

// Speak 20 ms in place of lost samples. The first call of a gap also runs the voice over the last
// samples played, which is half as much work again.
void dk_receiver_core_speak(dk_receiver_core *decoder, int16_t out[DK_RECEIVER_CORE_SAMPLES]);

#ifdef __cplusplus
}
#endif

#endif
