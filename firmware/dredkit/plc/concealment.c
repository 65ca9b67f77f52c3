// SPDX-License-Identifier: BSD-3-Clause
// Holds or predicts the features of missing frames and lets them fade.
#include "plc/concealment.h"

#include <stddef.h>
#include <string.h>

#if DK_PLC_PREDICTOR
#include <assert.h>

#include "dsp/scalar.h"
#include "plc/burg.h"
#endif

enum {
    TABLED = 10,         // frames whose attenuation is in the table
    FURTHER = 2048,      // attenuation that each further frame adds, Q10
    QUIETEST = -15360,   // lowest c0, Q10
    FARTHEST = 255,      // frames are counted no further
    FLAG = 1024,         // of a heard frame, Q10
    CEPSTRUM_FRAC = 20,  // of Burg cepstra
};

// Attenuation of c0 at 1, 2, ... frames after the known ones, Q10.
static const int16_t attenuation[TABLED] = {0, 0, 205, 205, 410, 410, 819, 819, 1638, 1638};

#if DK_PLC_PREDICTOR
static_assert(DK_PREDICTOR_FRAME == DK_PLC_INPUTS, "the predictor takes these inputs");
static_assert(DK_PREDICTOR_FEATURES == DK_FEATURES, "the predictor gives features");
static_assert(DK_PREDICTOR_FRAME_FRAC == DK_FEATURES_FRAC, "its inputs are Q10");
static_assert(DK_PREDICTOR_FEATURES_FRAC == DK_FEATURES_FRAC, "its outputs are Q10");

// Append an input, which starts as zeros; the oldest makes room.
static int16_t *new_input(dk_plc *plc)
{
    if (plc->inputs == DK_HEARD_KNOWN) {
        memmove(plc->input[0], plc->input[1], sizeof plc->input - sizeof plc->input[0]);
        plc->inputs--;
        plc->whole = plc->whole && plc->from > 0;
        if (plc->whole) {
            plc->from--;
            plc->to--;
        }
    }
    int16_t *input = plc->input[plc->inputs++];
    memset(input, 0, sizeof plc->input[0]);
    return input;
}

static void note_heard(dk_plc *plc, const int16_t *pcm, const int16_t features[DK_FEATURES])
{
    int32_t cepstra[DK_BURG_CEPSTRA];
    int16_t *input = new_input(plc);
    memcpy(input + DK_BURG_CEPSTRA, features, DK_FEATURES * sizeof *features);
    input[DK_PLC_INPUTS - 1] = FLAG;
    plc->behind = true;
    dk_burg_cepstra(pcm, cepstra);
    for (size_t i = 0; i < DK_BURG_CEPSTRA; i++) {
        const int64_t narrow = dk_rounded(cepstra[i], CEPSTRUM_FRAC - DK_FEATURES_FRAC);
        input[i] = (int16_t)dk_saturate(narrow, 16);
    }
}

static void feed(dk_plc *plc, dk_plc_scratch *work, const int16_t *input, int16_t *out)
{
    dk_predictor_step(plc->weights, &plc->predictor, &work->predictor, input, out, NULL);
}

// Let the predictor see inputs `from` and later ones, but not again if it has seen them.
static void catch_up(dk_plc *plc, dk_plc_scratch *work, size_t from)
{
    int16_t out[DK_FEATURES];
    if (!plc->whole || plc->from != from) {
        dk_predictor_reset(&plc->predictor);
        plc->whole = true;
        plc->from = plc->to = (uint8_t)from;
    }
    while (plc->to < plc->inputs) {
        feed(plc, work, plc->input[plc->to++], out);
    }
}

static void predict(dk_plc *plc, dk_plc_scratch *work, int16_t out[DK_FEATURES])
{
    if (plc->behind) {
        catch_up(plc, work, 0);
        plc->behind = false;
    }
    feed(plc, work, new_input(plc), out);
    plc->to = plc->inputs;
}
#endif

void dk_plc_foresee(dk_plc *plc, dk_plc_scratch *work, unsigned known)
{
#if DK_PLC_PREDICTOR
    // Those that are in front of `from` will have made room.
    const size_t from =
        plc->inputs + known > DK_HEARD_KNOWN ? plc->inputs + known - DK_HEARD_KNOWN : 0;
    if (plc->behind && from < plc->inputs) {
        catch_up(plc, work, from);
    }
#else
    (void)plc;
    (void)work;
    (void)known;
#endif
}

// Forget all but the weights.
static void forget(dk_plc *plc)
{
#if DK_PLC_PREDICTOR
    const dk_predictor_weights *weights = plc->weights;
    memset(plc, 0, sizeof *plc);
    plc->weights = weights;
#else
    memset(plc, 0, sizeof *plc);
#endif
    plc->held[0] = QUIETEST;
    dk_heard_init(&plc->heard);
}

void dk_plc_init(dk_plc *plc)
{
#if DK_PLC_PREDICTOR && defined(DK_PREDICTOR_LINKED)
    plc->weights = &dk_predictor_linked;
#elif DK_PLC_PREDICTOR
    plc->weights = NULL;
#endif
    forget(plc);
}

#if DK_PLC_PREDICTOR
void dk_plc_init_with(dk_plc *plc, const dk_predictor_weights *weights)
{
    plc->weights = weights;
    forget(plc);
}
#endif

void dk_plc_begin(dk_plc *plc)
{
    forget(plc);
}

void dk_plc_hear(dk_plc *plc, const int16_t pcm[DK_FEATURES_FRAME])
{
    dk_heard_frame(&plc->heard, pcm, plc->held);
    if (plc->heard.frames > DK_HEARD_RUN_IN) {
        memcpy(plc->past[plc->heard.frames - DK_HEARD_RUN_IN - 1], plc->held, sizeof plc->held);
#if DK_PLC_PREDICTOR
        note_heard(plc, pcm, plc->held);
#endif
    }
}

unsigned dk_plc_heard(const dk_plc *plc)
{
    return plc->heard.frames;
}

const int16_t *dk_plc_past(const dk_plc *plc, int32_t back)
{
    return plc->past[DK_HEARD_KNOWN - back];
}

void dk_plc_known(dk_plc *plc, const int16_t features[DK_FEATURES])
{
    memcpy(plc->held, features, sizeof plc->held);
    plc->distance = 1;
#if DK_PLC_PREDICTOR
    plc->decoded = true;
#endif
}

void dk_plc_missing(dk_plc *plc, dk_plc_scratch *work, int16_t out[DK_FEATURES])
{
    memcpy(out, plc->held, sizeof plc->held);
#if DK_PLC_PREDICTOR
    if (!plc->decoded) {
        predict(plc, work, out);
    }
#else
    (void)work;
#endif
    const int32_t distance = plc->distance;
    int32_t lower = 0;
    if (distance > 0) {
        lower = attenuation[distance < TABLED ? distance - 1 : TABLED - 1];
        lower += distance > TABLED ? (distance - TABLED) * FURTHER : 0;
    }
    out[0] = (int16_t)(out[0] - lower > QUIETEST ? out[0] - lower : QUIETEST);
    plc->distance = (uint8_t)(distance < FARTHEST ? distance + 1 : FARTHEST);
}
