// SPDX-License-Identifier: BSD-3-Clause
// The payloads that a receiver has not decoded completely, two at most, and which chunk is decoded
// next. quantize/codec/pending.py defines it to the bit. Payloads are not trusted: any bytes are
// harmless.
#ifndef DREDKIT_CODEC_PENDING_H
#define DREDKIT_CODEC_PENDING_H

#include "codec/redundancy.h"
#include "codec/track.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_PENDING_PLACES 2

// A payload in time.
typedef struct {
    dk_dred_payload payload;
    uint32_t newest;  // slot of its newest frame
    uint32_t packet;  // slot in which its packet begins
    bool used;
} dk_pending_place;

// The caller provides the memory and may read two fields: `redundancy`, for the number of chunks of
// the payload being decoded, and `found`, the features of the last dk_pending_decode.
typedef struct {
    dk_redundancy redundancy;
    dk_pending_place places[DK_PENDING_PLACES];
    int16_t found[DK_REDUNDANCY_BATCH * DK_RDOVAE_DEC_FEATURES];
    int8_t running;  // the place whose states the network has; -1: none
} dk_pending;

// Scratch for one call.
typedef union {
    dk_redundancy_scratch run;
    dk_pending_place taken;
} dk_pending_scratch;

// Initialise without a payload. What `weights` points to must outlive `pending`.
void dk_pending_init(dk_pending *pending, const dk_redundancy_weights *weights);

// Forget all payloads.
void dk_pending_forget(dk_pending *pending);

// Forget payloads that lie wholly outside the track, behind it.
void dk_pending_drop_old(dk_pending *pending, const dk_track *track);

// Take the payload of a packet that begins `ahead` samples (at 16 kHz) after the track's slot
// `now`. `oldest` is the oldest slot of use. A payload without any use is dropped. Returns the
// payload's number of chunks, or dk_dred_parse's error, after which nothing has changed. `trace` is
// NULL or has room for DK_RDOVAE_DEC_INIT_TRACE_BYTES; it is written if the network was started.
int32_t dk_pending_take(dk_pending *pending, dk_pending_scratch *work, const dk_track *track,
                        int32_t ahead, const uint8_t *data, size_t size, uint32_t oldest,
                        uint8_t *trace);

// Return how many chunks of the payload decoded next are of use from slot `oldest` on.
unsigned dk_pending_wanted(const dk_pending *pending, const dk_track *track, uint32_t oldest);

// Decode up to `most` (1 .. DK_REDUNDANCY_BATCH) chunks of a payload into the track and `found`: of
// one with chunks of use, or else of any. Returns the number of chunks decoded, DK_ERR_ORDER if
// none is left, or DK_ERR_ARGUMENT. `trace` is NULL or has room for DK_RDOVAE_DEC_INIT_TRACE_BYTES
// and then `most` times DK_RDOVAE_DEC_TRACE_BYTES.
int32_t dk_pending_decode(dk_pending *pending, dk_pending_scratch *work, dk_track *track,
                          uint32_t oldest, unsigned most, uint8_t *trace);

// Return whether a packet with a payload lies ahead, so that what is before it is missing.
bool dk_pending_expects_gap(const dk_pending *pending, const dk_track *track);

#ifdef __cplusplus
}
#endif

#endif
