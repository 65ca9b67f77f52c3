// SPDX-License-Identifier: BSD-3-Clause
// A ring of features by slot, and the attenuation beyond the known ones.
#include "codec/track.h"

#include <string.h>

enum {
    TABLED = 10,        // frames whose attenuation is in the table
    FURTHER = 2048,     // attenuation that each further frame adds, Q10
    QUIETEST = -15360,  // lowest c0, Q10
};

// Attenuation of c0 at 1, 2, ... frames from known ones, Q10.
static const int16_t attenuation[TABLED] = {0, 0, 205, 205, 410, 410, 819, 819, 1638, 1638};

static uint32_t place(uint32_t slot)
{
    return slot % DK_TRACK_SLOTS;
}

static int32_t from_now(const dk_track *track, uint32_t slot)
{
    return (int32_t)(slot - track->now);
}

void dk_track_init(dk_track *track)
{
    memset(track, 0, sizeof *track);
}

void dk_track_forget(dk_track *track)
{
    memset(track->levels, 0, sizeof track->levels);
}

void dk_track_move(dk_track *track, int32_t slots)
{
    if (slots >= DK_TRACK_SLOTS || slots <= -DK_TRACK_SLOTS) {
        dk_track_forget(track);
    }
    // The places of the slots that leave at one end serve those that enter at the other.
    for (int32_t i = slots; i < 0 && i > -DK_TRACK_SLOTS; i++) {
        track->levels[place(track->now + DK_TRACK_AHEAD + (uint32_t)i)] = 0;
    }
    for (int32_t i = 0; i < slots && i < DK_TRACK_SLOTS; i++) {
        track->levels[place(track->now + DK_TRACK_AHEAD + (uint32_t)i)] = 0;
    }
    track->now += (uint32_t)slots;
}

bool dk_track_covers(const dk_track *track, uint32_t slot)
{
    const int32_t from = from_now(track, slot);
    return from >= -DK_TRACK_BEHIND && from < DK_TRACK_AHEAD;
}

bool dk_track_holds(const dk_track *track, uint32_t slot)
{
    return dk_track_covers(track, slot) && track->levels[place(slot)] != 0;
}

bool dk_track_lacks(const dk_track *track, uint32_t slot, unsigned level)
{
    const unsigned held = track->levels[place(slot)];
    return dk_track_covers(track, slot) && (held == 0 || level + 1 < held);
}

void dk_track_put(dk_track *track, uint32_t slot, unsigned level,
                  const int16_t features[DK_TRACK_FEATURES])
{
    if (dk_track_lacks(track, slot, level)) {
        memcpy(track->features[place(slot)], features, sizeof track->features[0]);
        track->levels[place(slot)] = (uint8_t)(level + 1);
    }
}

bool dk_track_newest(const dk_track *track, uint32_t *slot)
{
    for (int32_t from = DK_TRACK_AHEAD - 1; from >= -DK_TRACK_BEHIND; from--) {
        *slot = track->now + (uint32_t)from;
        if (track->levels[place(*slot)] != 0) {
            return true;
        }
    }
    return false;
}

// Find the held slot nearest to a slot; of two, the older. Returns its distance, or -1 for none.
static int32_t nearest(const dk_track *track, uint32_t slot, uint32_t *found)
{
    for (uint32_t distance = 0; distance < DK_TRACK_SLOTS; distance++) {
        *found = slot - distance;
        if (dk_track_holds(track, *found)) {
            return (int32_t)distance;
        }
        *found = slot + distance;
        if (dk_track_holds(track, *found)) {
            return (int32_t)distance;
        }
    }
    return -1;
}

void dk_track_at(const dk_track *track, uint32_t slot, int16_t out[DK_TRACK_FEATURES])
{
    uint32_t found;
    const int32_t distance = nearest(track, slot, &found);
    if (distance < 0) {
        memset(out, 0, DK_TRACK_FEATURES * sizeof out[0]);
        out[0] = QUIETEST;
        return;
    }
    memcpy(out, track->features[place(found)], DK_TRACK_FEATURES * sizeof out[0]);
    if (distance > 0) {
        int32_t lower = attenuation[distance < TABLED ? distance - 1 : TABLED - 1];
        lower += distance > TABLED ? (distance - TABLED) * FURTHER : 0;
        out[0] = (int16_t)(out[0] - lower > QUIETEST ? out[0] - lower : QUIETEST);
    }
}
