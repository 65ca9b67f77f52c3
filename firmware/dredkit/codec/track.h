// SPDX-License-Identifier: BSD-3-Clause
// The features that a receiver holds, by time in slots of 10 ms. quantize/codec/track.py defines it
// to the bit. Slots count modulo 2^32.
#ifndef DREDKIT_CODEC_TRACK_H
#define DREDKIT_CODEC_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_TRACK_SLOTS 128                                 // a power of two
#define DK_TRACK_BEHIND 20                                 // of these before `now`
#define DK_TRACK_AHEAD (DK_TRACK_SLOTS - DK_TRACK_BEHIND)  // at `now` and after it
#define DK_TRACK_FEATURES 20                               // of a slot

// The caller provides the memory and may read `now`.
typedef struct {
    int16_t features[DK_TRACK_SLOTS][DK_TRACK_FEATURES];  // Q10, by slot modulo DK_TRACK_SLOTS
    uint8_t levels[DK_TRACK_SLOTS];  // the level at which they were coded plus 1; 0: none held
    uint32_t now;                    // the slot that is played next
} dk_track;

// Initialise without features.
void dk_track_init(dk_track *track);

// Move `now` by a number of slots of either sign. What lies outside is forgotten.
void dk_track_move(dk_track *track, int32_t slots);

// Forget all features.
void dk_track_forget(dk_track *track);

// Return whether the track has room for a slot.
bool dk_track_covers(const dk_track *track, uint32_t slot);

// Return whether the features of a slot are known.
bool dk_track_holds(const dk_track *track, uint32_t slot);

// Return whether features of this level (0 .. 15) would be of use: none are held, or coarser ones.
bool dk_track_lacks(const dk_track *track, uint32_t slot, unsigned level);

// Keep features unless the slot lies outside or holds some that are as fine.
void dk_track_put(dk_track *track, uint32_t slot, unsigned level,
                  const int16_t features[DK_TRACK_FEATURES]);

// Find the newest slot that holds features. Returns false if there is none.
bool dk_track_newest(const dk_track *track, uint32_t *slot);

// Return the features of a slot that is held.
const int16_t *dk_track_at(const dk_track *track, uint32_t slot);

#ifdef __cplusplus
}
#endif

#endif
