// SPDX-License-Identifier: BSD-3-Clause
// Which payload is decoded, and how far: see codec/pending.h.
#include "codec/pending.h"

#include <assert.h>
#include <string.h>

enum {
    NONE = -1,
    UNIT = 40,        // samples in a unit of a payload's offset
    SLOT = 160,       // samples of a slot
    FARTHEST = 4096,  // slots: a payload from further ahead has a wrong time
};

static_assert(DK_TRACK_FEATURES == DK_REDUNDANCY_FEATURES, "slots are frames");
static_assert(DK_PENDING_PLACES == 2, "of three payloads, one goes");

static int32_t floor_div(int64_t a, int32_t b)
{
    return (int32_t)(a >= 0 ? a / b : -((b - 1 - a) / b));
}

static bool is_before(uint32_t slot, uint32_t other)
{
    return (int32_t)(slot - other) < 0;
}

void dk_pending_init(dk_pending *pending, const dk_redundancy_weights *weights)
{
    memset(pending, 0, sizeof *pending);
    dk_redundancy_init_with(&pending->redundancy, weights);
    pending->running = NONE;
}

static void drop(dk_pending *pending, int place)
{
    pending->places[place].used = false;
    if (pending->running == place) {
        pending->running = NONE;
        pending->redundancy.chunks = 0;
        pending->redundancy.decoded = 0;
    }
}

void dk_pending_forget(dk_pending *pending)
{
    for (int i = 0; i < DK_PENDING_PLACES; i++) {
        drop(pending, i);
    }
}

void dk_pending_drop_old(dk_pending *pending, const dk_track *track)
{
    for (int i = 0; i < DK_PENDING_PLACES; i++) {
        if (pending->places[i].used &&
            is_before(pending->places[i].newest, track->now - DK_TRACK_BEHIND)) {
            drop(pending, i);
        }
    }
}

// Return whether the track lacks a frame of a chunk, from slot `oldest` on.
static bool chunk_is_wanted(const dk_pending_place *place, const dk_track *track, uint32_t oldest,
                            unsigned chunk)
{
    const unsigned level = dk_dred_level(&place->payload.header, chunk);
    for (unsigned i = 0; i < DK_REDUNDANCY_CHUNK_FRAMES; i++) {
        const uint32_t slot = place->newest - DK_REDUNDANCY_CHUNK_FRAMES * chunk - i;
        if (!is_before(slot, oldest) && dk_track_lacks(track, slot, level)) {
            return true;
        }
    }
    return false;
}

// Return how many chunks after the `decoded` ones lead to the oldest slot that the track lacks. If
// the whole payload is older than `oldest`, its newest chunk is of use where the track knows
// nothing as new: its frames are then repeated.
static unsigned wants(const dk_pending_place *place, unsigned decoded, const dk_track *track,
                      uint32_t oldest)
{
    const unsigned count = place->payload.chunk_count;
    if (!dk_track_covers(track, place->newest)) {
        return 0;
    }
    if (is_before(place->newest, oldest)) {
        uint32_t known;
        const bool is_new = !dk_track_newest(track, &known) || is_before(known, place->newest);
        return is_new && count > 0 && decoded == 0 ? 1 : 0;
    }
    unsigned end = (place->newest - oldest) / DK_REDUNDANCY_CHUNK_FRAMES + 1;
    end = end < count ? end : count;
    for (; end > decoded; end--) {
        if (chunk_is_wanted(place, track, oldest, end - 1)) {
            return end - decoded;
        }
    }
    return 0;
}

static unsigned place_wants(const dk_pending *pending, int place, const dk_track *track,
                            uint32_t oldest)
{
    if (!pending->places[place].used) {
        return 0;
    }
    const unsigned decoded = pending->running == place ? pending->redundancy.decoded : 0;
    return wants(&pending->places[place], decoded, track, oldest);
}

// Return the place to decode from, the earliest with chunks of use, or NONE.
static int next_place(const dk_pending *pending, const dk_track *track, uint32_t oldest)
{
    int found = NONE;
    for (int i = 0; i < DK_PENDING_PLACES; i++) {
        if (place_wants(pending, i, track, oldest) > 0 &&
            (found == NONE ||
             is_before(pending->places[i].newest, pending->places[found].newest))) {
            found = i;
        }
    }
    return found;
}

static void start(dk_pending *pending, dk_pending_scratch *work, int place, uint8_t *trace)
{
    dk_redundancy_start(&pending->redundancy, &work->run, &pending->places[place].payload, trace);
    pending->running = (int8_t)place;
}

// Return whether a payload of the same time is held that has as many chunks.
static bool is_doubled(const dk_pending *pending, const dk_pending_place *taken)
{
    for (int i = 0; i < DK_PENDING_PLACES; i++) {
        const dk_pending_place *place = &pending->places[i];
        if (place->used && place->newest == taken->newest &&
            place->payload.chunk_count >= taken->payload.chunk_count) {
            return true;
        }
    }
    return false;
}

// Return the place for a payload where both are used and are of other times, or NONE: of three, one
// goes. That is one without use, else one that is wholly past, else the middle one in time: the
// earliest is the finest for what is played next, only the latest covers the time before it.
static int place_of_three(const dk_pending *pending, const dk_pending_place *taken,
                          const dk_track *track, uint32_t oldest)
{
    const int first = is_before(pending->places[0].newest, pending->places[1].newest) ? 0 : 1;
    int order[3] = {first, 1 - first, NONE};  // by time; NONE is the payload taken
    for (int i = 2; i > 0 && is_before(taken->newest, pending->places[order[i - 1]].newest); i--) {
        order[i] = order[i - 1];
        order[i - 1] = NONE;
    }
    for (int i = 0; i < 3; i++) {
        const dk_pending_place *place = order[i] == NONE ? taken : &pending->places[order[i]];
        const unsigned wanted = order[i] == NONE ? wants(taken, 0, track, oldest)
                                                 : place_wants(pending, order[i], track, oldest);
        if (dk_track_covers(track, place->newest) && wanted == 0) {
            return order[i];
        }
    }
    // The earliest of the three is past if any is.
    const uint32_t earliest = order[0] == NONE ? taken->newest : pending->places[order[0]].newest;
    return is_before(earliest, track->now) ? order[0] : order[1];
}

static int place_for(const dk_pending *pending, const dk_pending_place *taken,
                     const dk_track *track, uint32_t oldest)
{
    for (int i = 0; i < DK_PENDING_PLACES; i++) {
        if (pending->places[i].used && pending->places[i].newest == taken->newest) {
            return i;
        }
    }
    for (int i = 0; i < DK_PENDING_PLACES; i++) {
        if (!pending->places[i].used) {
            return i;
        }
    }
    return place_of_three(pending, taken, track, oldest);
}

int32_t dk_pending_take(dk_pending *pending, dk_pending_scratch *work, const dk_track *track,
                        int32_t ahead, const uint8_t *data, size_t size, uint32_t oldest,
                        uint8_t *trace)
{
    dk_pending_place *taken = &work->taken;
    const int32_t chunks = dk_dred_parse(pending->redundancy.weights.tables, data, size,
                                         DK_DRED_MAX_CHUNKS, &taken->payload);
    if (chunks < 0) {
        return chunks;
    }
    const int32_t newest =
        floor_div((int64_t)ahead + UNIT * taken->payload.header.offset, SLOT) - 1;
    taken->newest = track->now + (uint32_t)newest;
    taken->packet = track->now + (uint32_t)floor_div(ahead, SLOT);
    taken->used = true;
    const bool is_far = newest >= DK_TRACK_AHEAD && newest < FARTHEST;
    if ((!is_far && wants(taken, 0, track, oldest) == 0) || is_doubled(pending, taken)) {
        return chunks;
    }
    const int place = place_for(pending, taken, track, oldest);
    if (place == NONE) {
        return chunks;
    }
    drop(pending, place);
    pending->places[place] = *taken;
    const int next = next_place(pending, track, oldest);
    if (next != NONE && next != pending->running) {
        start(pending, work, next, trace);
    }
    return chunks;
}

unsigned dk_pending_wanted(const dk_pending *pending, const dk_track *track, uint32_t oldest)
{
    const int place = next_place(pending, track, oldest);
    return place == NONE ? 0 : place_wants(pending, place, track, oldest);
}

// Put decoded chunks, the last of which is number `decoded` - 1, into the track.
static void put(const dk_pending *pending, dk_track *track, unsigned count)
{
    const dk_pending_place *place = &pending->places[pending->running];
    const unsigned first = pending->redundancy.decoded - count;
    for (unsigned i = 0; i < count * DK_REDUNDANCY_CHUNK_FRAMES; i++) {
        const unsigned frame = first * DK_REDUNDANCY_CHUNK_FRAMES + i;
        const unsigned level =
            dk_dred_level(&place->payload.header, frame / DK_REDUNDANCY_CHUNK_FRAMES);
        dk_track_put(track, place->newest - frame, level,
                     pending->found + (size_t)i * DK_REDUNDANCY_FEATURES);
    }
}

int32_t dk_pending_decode(dk_pending *pending, dk_pending_scratch *work, dk_track *track,
                          uint32_t oldest, unsigned most, uint8_t *trace)
{
    if (most == 0 || most > DK_REDUNDANCY_BATCH) {
        return DK_ERR_ARGUMENT;
    }
    const int next = next_place(pending, track, oldest);
    const int place = next == NONE ? pending->running : next;
    if (place == NONE) {
        return DK_ERR_ORDER;
    }
    if (place != pending->running) {
        start(pending, work, place, trace);
    }
    const int32_t count = dk_redundancy_decode(
        &pending->redundancy, &work->run, &pending->places[place].payload, most, pending->found,
        trace == NULL ? NULL : trace + DK_RDOVAE_DEC_INIT_TRACE_BYTES);
    if (count > 0) {
        put(pending, track, (unsigned)count);
    }
    return count;
}

bool dk_pending_expects_gap(const dk_pending *pending, const dk_track *track)
{
    for (int i = 0; i < DK_PENDING_PLACES; i++) {
        if (pending->places[i].used && is_before(track->now, pending->places[i].packet)) {
            return true;
        }
    }
    return false;
}
