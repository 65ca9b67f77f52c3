// SPDX-License-Identifier: BSD-3-Clause
// The receiver's control: what plays, where the voice begins, and how good samples return.
#include "codec/receiver.h"

#include <assert.h>
#include <string.h>

#include "dsp/scalar.h"

enum {
    SAMPLES = DK_RECEIVER_CORE_SAMPLES,
    FRAME = DK_RECEIVER_CORE_FRAME,
    HEARD = DK_RECEIVER_CORE_HEARD,
    PLAYED = DK_RECEIVER_CORE_PLAYED,
    SLOT_MS = 10,
    BRIDGE = 12,  // slots of a gap that the base codec's concealment plays at most
    WAIT = 4,     // and this many, or a multiple, where payloads come before the voice is prepared
    QUIET = 2,    // slots after the voice's speech from which on it can be prepared again in time
    WEIGHT_FRAC = 15,
    STEP_FRAC = 26,
    // Frames of features that a voice gets before the first it speaks.
    BEFORE = DK_VOCODER_KNOWN_FRAMES + DK_VOCODER_CONTEXT - 1,
    FOLLOWED = DK_VOCODER_PAST + DK_VOCODER_KNOWN_FRAMES * FRAME,  // samples it begins with
    LISTENED = 4,  // frames before a gap that a call of `work` analyses at most
};

static_assert(DK_RDOVAE_DEC_FEATURES_FRAC == 10, "voices take Q10 features");
static_assert(PLAYED >= SAMPLES, "what a call plays is kept whole");
static_assert(BEFORE <= DK_TRACK_BEHIND, "a voice begins with slots of the track");
static_assert(BEFORE - 1 <= DK_HEARD_KNOWN, "the frames that were heard have features");
static_assert(FOLLOWED <= HEARD, "a voice begins with what was analysed");

int32_t dk_receiver_core_init_with(dk_receiver_core *core, const dk_receiver_weights *weights,
                                   const dk_receiver_core_config *config)
{
    if (config->over_ms > DK_RECEIVER_CORE_OVER_MAX || config->over_ms % SLOT_MS != 0 ||
        config->fade_ms < 1 || config->fade_ms > DK_RECEIVER_CORE_FADE_MAX) {
        return DK_ERR_ARGUMENT;
    }
    memset(core, 0, sizeof *core);
    dk_pending_init(&core->pending, &weights->redundancy);
#if defined(DK_VOICE_WEIGHTS)
    core->voice.weights = weights->voice;
#endif
    dk_track_init(&core->track);
#if DK_PLC_PREDICTOR
    dk_plc_init_with(&core->plc, weights->predictor);
#else
    dk_plc_init(&core->plc);
#endif
    core->over_slots = config->over_ms / SLOT_MS;
    core->fade = (uint16_t)(config->fade_ms * (SAMPLES / SLOT_MS));
    core->fade_step = ((1 << STEP_FRAC) + core->fade) / (2 * core->fade);
    // The count of slots wraps within the first second, so that a fault there shows at once.
    core->track.now = UINT32_MAX - 50;
    core->next = core->track.now;
    core->quiet = QUIET;
    return DK_OK;
}

#if defined(DK_RDOVAE_DEC_LINKED)
int32_t dk_receiver_core_init(dk_receiver_core *core, const dk_receiver_core_config *config)
{
    const dk_receiver_weights linked = {
        .redundancy = {&dk_model_tables, &dk_rdovae_dec_init_linked, &dk_rdovae_dec_linked},
#if DK_PLC_PREDICTOR
        .predictor = &dk_predictor_linked,
#endif
    };
    return dk_receiver_core_init_with(core, &linked, config);
}
#endif

// Return the oldest slot whose features can be of use.
static uint32_t oldest(const dk_receiver_core *core)
{
    return core->speaking || core->prepared ? core->next : core->track.now - BEFORE;
}

int32_t dk_receiver_core_payload(dk_receiver_core *core, int32_t ahead, const uint8_t *data,
                                 size_t size, uint8_t *trace)
{
    return dk_pending_take(&core->pending, &core->work.pending, &core->track, ahead, data, size,
                           oldest(core), trace);
}

unsigned dk_receiver_core_chunks(const dk_receiver_core *core)
{
    return core->pending.redundancy.chunks;
}

unsigned dk_receiver_core_chunks_wanted(const dk_receiver_core *core)
{
    return dk_pending_wanted(&core->pending, &core->track, oldest(core));
}

int32_t dk_receiver_core_decode(dk_receiver_core *core, unsigned most, const int16_t **features,
                                uint8_t *trace)
{
    const int32_t count = dk_pending_decode(&core->pending, &core->work.pending, &core->track,
                                            oldest(core), most, trace);
    if (count > 0) {
        *features = core->pending.found;
    }
    return count;
}

unsigned dk_receiver_core_decode_wanted(dk_receiver_core *core, unsigned budget)
{
    while (budget > 0) {
        const unsigned wanted = dk_receiver_core_chunks_wanted(core);
        unsigned most = wanted < budget ? wanted : budget;
        most = most < DK_REDUNDANCY_BATCH ? most : DK_REDUNDANCY_BATCH;
        const int16_t *features;
        const int32_t count = most == 0 ? 0 : dk_receiver_core_decode(core, most, &features, NULL);
        if (count <= 0) {
            return budget;
        }
        budget -= (unsigned)count;
    }
    return budget;
}

// Return how many slots from one on hold features, DK_HEARD_KNOWN at most.
static unsigned held_from(const dk_receiver_core *core, uint32_t slot)
{
    unsigned count = 0;
    while (count < DK_HEARD_KNOWN && dk_track_holds(&core->track, slot + count)) {
        count++;
    }
    return count;
}

// Write the features of a slot. Each slot is asked for once, in their order. When a gap begins,
// samples of the frame before its first slot were not heard whole.
static void features_of(dk_receiver_core *core, uint32_t slot, int16_t out[DK_TRACK_FEATURES])
{
    const int32_t before = (int32_t)(core->next - 1 - slot);
    if (dk_track_holds(&core->track, slot)) {
        memcpy(out, dk_track_at(&core->track, slot), DK_TRACK_FEATURES * sizeof *out);
        if (before <= 0) {
            dk_plc_known(&core->plc, out);
            dk_plc_foresee(&core->plc, &core->work.gap.plc, held_from(core, slot + 1));
        }
    } else if (before > 0) {
        memcpy(out, dk_plc_past(&core->plc, before), DK_TRACK_FEATURES * sizeof *out);
    } else {
        dk_plc_missing(&core->plc, &core->work.gap.plc, out);
    }
}

// Return whether payloads cover all that a voice begins with before a gap.
static bool is_covered(const dk_receiver_core *core, uint32_t gap)
{
    bool covered = true;
    for (uint32_t i = 0; i <= BEFORE; i++) {
        covered = covered && dk_track_holds(&core->track, gap - i);
    }
    return covered;
}

// Write the `count` samples at 16 kHz that begin `before` samples before the end of what was
// played.
static void copy_played(const dk_receiver_core *core, int32_t before, int32_t count, int16_t *out)
{
#if DK_RECEIVER_CORE_UP > 1
    dk_thirds_down_end(core->played + PLAYED, before, count, out);
#else
    memcpy(out, core->played + PLAYED - before, (size_t)count * sizeof *out);
#endif
}

// Analyse up to `most` of the frames before a gap that were not yet. Of what was played, the last
// `fresh` slots are left out.
static void listen(dk_receiver_core *core, uint32_t gap, unsigned most, int32_t fresh)
{
    if (!core->listens || core->listened != gap) {
        dk_plc_begin(&core->plc);
        core->listens = true;
        core->listened = gap;
    }
    for (; most > 0 && dk_plc_heard(&core->plc) < DK_HEARD_FRAMES; most--) {
        const uint32_t slot = gap - DK_HEARD_FRAMES + dk_plc_heard(&core->plc);
        const int32_t age = (int32_t)(core->track.now - slot);
        if (age <= fresh) {
            return;
        }
        int16_t pcm[FRAME];
        copy_played(core, age * FRAME, FRAME, pcm);
        dk_plc_hear(&core->plc, pcm);
        dk_plc_foresee(&core->plc, &core->work.gap.plc,
                       DK_HEARD_FRAMES - dk_plc_heard(&core->plc) + held_from(core, gap));
    }
}

// Bring the voice up to the last sample played.
static void begin(dk_receiver_core *core)
{
    core->next = core->track.now;
    if (is_covered(core, core->next)) {
        dk_plc_begin(&core->plc);
    } else {
        listen(core, core->next, DK_HEARD_FRAMES, 0);
    }
    core->listens = false;
#if DK_RECEIVER_CORE_UP > 1
    int16_t *followed = core->work.gap.heard;
    copy_played(core, FOLLOWED, FOLLOWED, followed);
    memcpy(core->speech, followed + FOLLOWED - DK_THIRDS_REACH,
           DK_THIRDS_REACH * sizeof core->speech[0]);
    core->spoken = DK_THIRDS_REACH;
#else
    const int16_t *followed = core->played + PLAYED - FOLLOWED;
#endif
    const uint32_t first = core->next - BEFORE;
    int16_t context[DK_VOCODER_CONTEXT][DK_TRACK_FEATURES];
    for (uint32_t i = 0; i < DK_VOCODER_CONTEXT; i++) {
        features_of(core, first + i, context[i]);
    }
    dk_vocoder_begin(&core->voice, (const int16_t(*)[DK_TRACK_FEATURES])context, followed);
    for (uint32_t i = 0; i < DK_VOCODER_KNOWN_FRAMES; i++) {
        int16_t ahead[DK_TRACK_FEATURES], same[FRAME];
        features_of(core, first + DK_VOCODER_CONTEXT + i, ahead);
        dk_vocoder_frame(&core->voice, ahead, followed + DK_VOCODER_PAST + i * FRAME, same);
    }
}

// Write the features that the voice needs for its next 10 ms.
static void look_ahead(dk_receiver_core *core, int16_t ahead[DK_TRACK_FEATURES])
{
    core->next++;
    features_of(core, core->next, ahead);
}

// Write the voice's next 10 ms at 16 kHz.
static void speak_frame(dk_receiver_core *core, int16_t out[FRAME])
{
    int16_t ahead[DK_TRACK_FEATURES];
    look_ahead(core, ahead);
    dk_vocoder_frame(&core->voice, ahead, NULL, out);
}

#if DK_RECEIVER_CORE_UP > 1
// Let the voice speak 10 ms that are played later.
static void add_frame(dk_receiver_core *core)
{
    speak_frame(core, core->speech + core->spoken);
    core->spoken += FRAME;
}
#endif

// Write the voice's next 10 ms at the output rate.
static void speak(dk_receiver_core *core, int16_t out[SAMPLES])
{
#if DK_RECEIVER_CORE_UP > 1
    while (core->spoken < FRAME + 2 * DK_THIRDS_REACH) {
        add_frame(core);
    }
    dk_thirds_up(core->speech, FRAME, out);
    core->spoken -= FRAME;
    memmove(core->speech, core->speech + FRAME, core->spoken * sizeof core->speech[0]);
#else
    speak_frame(core, out);
#endif
}

// The same if only the first `count` samples are of use, and then the voice stops.
static void speak_last(dk_receiver_core *core, int32_t count, int16_t out[SAMPLES])
{
#if DK_RECEIVER_CORE_UP > 1
    (void)count;
    speak(core, out);
#else
    int16_t ahead[DK_TRACK_FEATURES];
    look_ahead(core, ahead);
    dk_vocoder_end(&core->voice, ahead, count, out);
#endif
}

// Return whether there is time enough to prepare the voice for a gap that begins soon.
static bool is_ready(const dk_receiver_core *core, uint32_t gap)
{
    return core->quiet >= QUIET || is_covered(core, gap);
}

// Return whether the voice would speak in a slot of a gap from payloads, now or once decoded.
static bool would_speak(const dk_receiver_core *core, uint32_t slot)
{
    return dk_track_holds(&core->track, slot) || dk_receiver_core_chunks_wanted(core) > 0;
}

// Return whether the voice, though covered, is left to be prepared for a later slot of the gap.
static bool waits(const dk_receiver_core *core)
{
    if (!core->told || core->prepared) {
        return false;
    }
    return core->concealed > 0 ? core->concealed % WAIT > 0 : !is_ready(core, core->track.now);
}

// Return the slot that the voice is thought to speak first in the expected gap: a later one if the
// base codec's own concealment is going to play the gap's first ones.
static uint32_t first_spoken(const dk_receiver_core *core)
{
    const uint32_t gap = core->gap;
    if (!core->conceals) {
        return gap;
    }
    const uint32_t bridge = would_speak(core, gap) ? WAIT : BRIDGE;
    if (gap == core->track.now && core->concealed > 0) {
        return gap + (bridge - core->concealed % bridge) % bridge;
    }
    return is_ready(core, gap) ? gap : gap + bridge;
}

static bool is_to_prepare(const dk_receiver_core *core)
{
    if (core->speaking || core->prepared) {
        return false;
    }
    if (core->told) {
        return core->expected && first_spoken(core) == core->track.now;
    }
    return dk_receiver_core_chunks_wanted(core) == 0 &&
           dk_pending_expects_gap(&core->pending, &core->track);
}

void dk_receiver_core_expect(dk_receiver_core *core, uint32_t slots)
{
    core->gap = core->track.now + slots;
    core->expected = true;
    core->told = true;
}

// Analyse what was played, if a gap begins soon that may need it: less of it where the voice has
// just spoken, or this call has decoded, which cost enough. With a predictor more would be left to
// do.
static void listen_ahead(dk_receiver_core *core, bool decoded)
{
    if (core->expected && !core->speaking && !core->prepared) {
        const uint32_t gap = first_spoken(core);
        if (!is_covered(core, gap)) {
            const bool little = (decoded && !DK_PLC_PREDICTOR) || core->quiet == 0;
            // At 48 kHz, what was played last changes with what is played next.
            listen(core, gap, little ? LISTENED / 2 : LISTENED, DK_RECEIVER_CORE_UP > 1 ? 1 : 0);
        }
    }
}

unsigned dk_receiver_core_work(dk_receiver_core *core, unsigned budget)
{
    const unsigned kept = budget > 0 && core->told && is_to_prepare(core) ? 1 : 0;
    const unsigned left = dk_receiver_core_decode_wanted(core, budget - kept);
    if (left + kept > 0 && is_to_prepare(core)) {
        begin(core);
#if DK_RECEIVER_CORE_UP > 1
        add_frame(core);
#endif
        core->prepared = true;
    } else if (budget > 0) {
        listen_ahead(core, left < budget - kept);
    }
    return dk_receiver_core_chunks_wanted(core) + (is_to_prepare(core) ? 1 : 0);
}

// Keep what was played and move on by a slot.
static void played(dk_receiver_core *core, const int16_t out[SAMPLES])
{
    memmove(core->played, core->played + SAMPLES, (PLAYED - SAMPLES) * sizeof core->played[0]);
    memcpy(core->played + PLAYED - SAMPLES, out, SAMPLES * sizeof core->played[0]);
    core->expected = core->expected && core->gap != core->track.now;
    if (core->source == DK_RECEIVER_CORE_DRED || core->source == DK_RECEIVER_CORE_PLC ||
        core->source == DK_RECEIVER_CORE_FADE) {
        core->quiet = 0;
    } else if (core->quiet < QUIET) {
        core->quiet++;
    }
    dk_track_move(&core->track, 1);
    dk_pending_drop_old(&core->pending, &core->track);
    if (!core->speaking) {
        core->next = core->track.now;
    }
}

// Write the voice's next 10 ms in a gap.
static void say(dk_receiver_core *core, int16_t out[SAMPLES])
{
    if (core->faded > 0) {
        core->speaking = false;
        core->faded = 0;
    }
    if (!core->speaking && !core->prepared) {
        begin(core);
    }
    core->speaking = true;
    core->prepared = false;
    core->over = core->over_slots;
    core->source = dk_track_holds(&core->track, core->track.now) ? DK_RECEIVER_CORE_DRED
                                                                 : DK_RECEIVER_CORE_PLC;
    speak(core, out);
}

void dk_receiver_core_lost(dk_receiver_core *core, int16_t out[SAMPLES])
{
    core->conceals = false;
    core->adding = false;
    say(core, out);
    played(core, out);
}

// Add speech to what the base codec made, in `out`. Where `before` and `now` differ, that fades.
static void add(const int16_t spoken[SAMPLES], bool before, bool now, int16_t out[SAMPLES])
{
    for (uint32_t i = 0; i < SAMPLES; i++) {
        const uint32_t place = now ? i : SAMPLES - 1 - i;
        const uint32_t fading = ((2 * place + 1) << (WEIGHT_FRAC - 1)) / SAMPLES;
        const int64_t weight = before && now ? 1 << WEIGHT_FRAC : before || now ? fading : 0;
        out[i] = (int16_t)dk_saturate(spoken[i] + dk_rounded(out[i] * weight, WEIGHT_FRAC), 16);
    }
}

void dk_receiver_core_concealed(dk_receiver_core *core, const int16_t pcm[SAMPLES],
                                int16_t out[SAMPLES])
{
    const bool held = dk_track_holds(&core->track, core->track.now);
    const bool late = core->concealed == BRIDGE;
    const bool covered = would_speak(core, core->track.now) && !waits(core);
    core->conceals = true;
    core->concealed = (uint8_t)(core->concealed + (late ? 0 : 1));
    memmove(out, pcm, SAMPLES * sizeof out[0]);
    if (core->speaking || covered || late) {
        int16_t spoken[SAMPLES];
        const bool before = core->adding;
        core->adding = late && !held;
        say(core, spoken);
        add(spoken, before, core->adding, out);
    } else {
        core->prepared = false;
        core->source = DK_RECEIVER_CORE_CONCEALED;
    }
    played(core, out);
}

// Let the voice fade into `good`; writes to `good`.
static void cross_fade(dk_receiver_core *core, int16_t good[SAMPLES])
{
    int16_t spoken[SAMPLES];
    const int32_t left = core->fade - core->faded;
    if (left <= SAMPLES) {
        speak_last(core, left, spoken);
    } else {
        speak(core, spoken);
    }
    for (int32_t i = 0; i < SAMPLES && i < left; i++) {
        const int32_t place = 2 * (core->faded + i) + 1;
        const int32_t weight = (place * core->fade_step) >> (STEP_FRAC - WEIGHT_FRAC);
        const int64_t change = (int64_t)(good[i] - spoken[i]) * weight;
        const int32_t rounded = (int32_t)((change + (1 << (WEIGHT_FRAC - 1))) >> WEIGHT_FRAC);
        good[i] = (int16_t)(spoken[i] + rounded);
    }
    core->faded += SAMPLES;
    if (core->faded >= core->fade) {
        core->speaking = false;
        core->faded = 0;
    }
}

// Write what plays where good samples, which are in `out`, return after a gap.
static void come_back(dk_receiver_core *core, int16_t out[SAMPLES])
{
    if (core->over > 0 && dk_track_holds(&core->track, core->track.now)) {
        core->over--;
        core->source = DK_RECEIVER_CORE_DRED;
        speak(core, out);
    } else {
        core->over = 0;
        core->source = DK_RECEIVER_CORE_FADE;
        cross_fade(core, out);
    }
}

void dk_receiver_core_good(dk_receiver_core *core, const int16_t pcm[SAMPLES], bool recovered,
                           int16_t out[SAMPLES])
{
    core->prepared = false;
    core->concealed = 0;
    core->adding = false;
    core->source = recovered ? DK_RECEIVER_CORE_RECOVERED : DK_RECEIVER_CORE_NORMAL;
    memmove(out, pcm, SAMPLES * sizeof out[0]);
    if (core->speaking) {
        come_back(core, out);
    }
    played(core, out);
}

void dk_receiver_core_move(dk_receiver_core *core, int32_t slots)
{
    dk_track_move(&core->track, slots);
    dk_pending_drop_old(&core->pending, &core->track);
    core->next += (uint32_t)slots;
    core->prepared = false;
    core->expected = false;
    core->listens = false;
}

void dk_receiver_core_forget(dk_receiver_core *core)
{
    dk_track_forget(&core->track);
    dk_pending_forget(&core->pending);
    core->prepared = false;
    core->expected = false;
}
