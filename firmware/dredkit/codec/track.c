// SPDX-License-Identifier: BSD-3-Clause
// A ring of features by slot.
#include "codec/track.h"

#include <string.h>

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

const int16_t *dk_track_at(const dk_track *track, uint32_t slot)
{
    return track->features[place(slot)];
}
