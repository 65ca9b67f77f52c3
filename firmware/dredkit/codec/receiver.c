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
    WEIGHT_FRAC = 15,
    STEP_FRAC = 26,
    // Frames of features that a voice gets before the first it speaks.
    BEFORE = DK_VOCODER_KNOWN_FRAMES + DK_VOCODER_CONTEXT - 1,
    FOLLOWED = DK_VOCODER_PAST + DK_VOCODER_KNOWN_FRAMES * FRAME,  // samples it begins with
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

// Write the features of a slot. Each slot is asked for once, in their order. When a gap begins,
// samples of the frame before its first slot were not heard whole.
static void features_of(dk_receiver_core *core, uint32_t slot, int16_t out[DK_TRACK_FEATURES])
{
    const int32_t before = (int32_t)(core->next - 1 - slot);
    if (dk_track_holds(&core->track, slot)) {
        memcpy(out, dk_track_at(&core->track, slot), DK_TRACK_FEATURES * sizeof *out);
        if (before <= 0) {
            dk_plc_known(&core->plc, out);
        }
    } else if (before > 0) {
        memcpy(out, dk_plc_past(&core->plc, before), DK_TRACK_FEATURES * sizeof *out);
    } else {
        dk_plc_missing(&core->plc, &core->work.gap.plc, out);
    }
}

// Tell the concealment that a gap begins. It analyses `heard` unless payloads cover all that a
// voice begins with.
static void begin_gap(dk_receiver_core *core, const int16_t heard[HEARD])
{
    bool covered = true;
    for (uint32_t i = 0; i <= BEFORE; i++) {
        covered = covered && dk_track_holds(&core->track, core->next - i);
    }
    dk_plc_begin(&core->plc, &core->work.gap.plc, covered ? NULL : heard);
}

// Bring the voice up to the last sample played.
static void begin(dk_receiver_core *core)
{
#if DK_RECEIVER_CORE_UP > 1
    int16_t *heard = core->work.gap.heard;
    dk_thirds_down_end(core->played + PLAYED, HEARD, heard);
    memcpy(core->speech, heard + HEARD - DK_THIRDS_REACH, DK_THIRDS_REACH * sizeof heard[0]);
    core->spoken = DK_THIRDS_REACH;
#else
    const int16_t *heard = core->played;
#endif
    core->next = core->track.now;
    begin_gap(core, heard);
    const int16_t *followed = heard + HEARD - FOLLOWED;
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

// Write the voice's next 10 ms at 16 kHz.
static void speak_frame(dk_receiver_core *core, int16_t out[FRAME])
{
    int16_t ahead[DK_TRACK_FEATURES];
    core->next++;
    features_of(core, core->next, ahead);
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

static bool is_to_prepare(const dk_receiver_core *core)
{
    if (core->speaking || core->prepared) {
        return false;
    }
    return core->expected || (dk_receiver_core_chunks_wanted(core) == 0 &&
                              dk_pending_expects_gap(&core->pending, &core->track));
}

void dk_receiver_core_expect(dk_receiver_core *core)
{
    core->expected = true;
}

unsigned dk_receiver_core_work(dk_receiver_core *core, unsigned budget)
{
    const unsigned kept = budget > 0 && core->expected && is_to_prepare(core) ? 1 : 0;
    if (dk_receiver_core_decode_wanted(core, budget - kept) + kept > 0 && is_to_prepare(core)) {
        begin(core);
#if DK_RECEIVER_CORE_UP > 1
        add_frame(core);
#endif
        core->prepared = true;
    }
    return dk_receiver_core_chunks_wanted(core) + (is_to_prepare(core) ? 1 : 0);
}

// Keep what was played and move on by a slot.
static void played(dk_receiver_core *core, const int16_t out[SAMPLES])
{
    memmove(core->played, core->played + SAMPLES, (PLAYED - SAMPLES) * sizeof core->played[0]);
    memcpy(core->played + PLAYED - SAMPLES, out, SAMPLES * sizeof core->played[0]);
    core->expected = false;
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
    core->concealed = (uint8_t)(core->concealed + (late ? 0 : 1));
    memmove(out, pcm, SAMPLES * sizeof out[0]);
    if (core->speaking || held || late || dk_receiver_core_chunks_wanted(core) > 0) {
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

// Fade from speech into `good`; writes to `good`.
static void cross_fade(dk_receiver_core *core, const int16_t spoken[SAMPLES], int16_t good[SAMPLES])
{
    for (int32_t i = 0; i < SAMPLES && core->faded + i < core->fade; i++) {
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
    int16_t spoken[SAMPLES];
    speak(core, spoken);
    if (core->over > 0 && dk_track_holds(&core->track, core->track.now)) {
        core->over--;
        core->source = DK_RECEIVER_CORE_DRED;
        memcpy(out, spoken, sizeof spoken);
    } else {
        core->over = 0;
        core->source = DK_RECEIVER_CORE_FADE;
        cross_fade(core, spoken, out);
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
}

void dk_receiver_core_forget(dk_receiver_core *core)
{
    dk_track_forget(&core->track);
    dk_pending_forget(&core->pending);
    core->prepared = false;
    core->expected = false;
}
