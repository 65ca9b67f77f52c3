// SPDX-License-Identifier: BSD-3-Clause
// The receiver's control: time, gaps, attenuation beyond known features, and the cross-fade.
#include "codec/receiver.h"

#include <assert.h>
#include <string.h>

enum {
    FADE = 80,          // samples: 5 ms
    FADE_STEP = 6554,   // 2^20 / 160
    UNIT = 40,          // samples in a unit of a payload's offset
    SOONEST = -256,     // the lowest k: counting down stops here
    TABLED = 10,        // frames whose attenuation is in the table
    FURTHER = 2048,     // attenuation that each further frame adds, Q10
    QUIETEST = -15360,  // lowest c0, Q10
    BEFORE = DK_DECODER_KNOWN_FRAMES + DK_DECODER_CONTEXT - 1  // frames that a voice starts from
};

// Attenuation of c0 at 1, 2, ... frames outside the decoded frames, Q10.
static const int16_t attenuation[TABLED] = {0, 0, 205, 205, 410, 410, 819, 819, 1638, 1638};

static_assert(DK_RDOVAE_DEC_FEATURES_FRAC == 10, "voices take Q10 features");
static_assert(DK_DECODER_HEARD <= DK_DECODER_SAMPLES, "each step replaces all heard samples");
static_assert(DK_DECODER_FRAMES <= UINT8_MAX, "the number of frames fits a byte");

void dk_decoder_init_with(dk_decoder *decoder, const dk_receiver_weights *weights)
{
    memset(decoder, 0, sizeof *decoder);
    dk_redundancy_init_with(&decoder->redundancy, &weights->redundancy);
#if defined(DK_VOICE_WEIGHTS)
    decoder->voice.weights = weights->voice;
#endif
}

#if defined(DK_RDOVAE_DEC_LINKED)
void dk_decoder_init(dk_decoder *decoder)
{
    memset(decoder, 0, sizeof *decoder);
    dk_redundancy_init(&decoder->redundancy, &dk_model_tables);
}
#endif

// Write the features of frame k. Outside the decoded frames, take the nearest one and attenuate it.
static void features_at(const dk_decoder *decoder, int32_t k, int16_t out[DK_REDUNDANCY_FEATURES])
{
    const int32_t count = decoder->frames;
    if (count == 0) {
        memset(out, 0, DK_REDUNDANCY_FEATURES * sizeof out[0]);
        out[0] = QUIETEST;
        return;
    }
    const int32_t nearest = k < 0 ? 0 : k >= count ? count - 1 : k;
    const int32_t distance = k < nearest ? nearest - k : k - nearest;
    memcpy(out, decoder->features[nearest], DK_REDUNDANCY_FEATURES * sizeof out[0]);
    if (distance > 0) {
        int32_t lower = attenuation[distance < TABLED ? distance - 1 : TABLED - 1];
        lower += distance > TABLED ? (distance - TABLED) * FURTHER : 0;
        out[0] = (int16_t)(out[0] - lower > QUIETEST ? out[0] - lower : QUIETEST);
    }
}

static void advance(dk_decoder *decoder)
{
    decoder->next = decoder->next > SOONEST ? decoder->next - 1 : SOONEST;
}

static void speak_frame(dk_decoder *decoder, int16_t out[DK_DECODER_FRAME])
{
    int16_t ahead[DK_REDUNDANCY_FEATURES];
    features_at(decoder, decoder->next - 1, ahead);
    dk_vocoder_frame(&decoder->voice, ahead, NULL, out);
    advance(decoder);
}

static void keep(dk_decoder *decoder, const int16_t played[DK_DECODER_SAMPLES])
{
    memcpy(decoder->heard, played + DK_DECODER_SAMPLES - DK_DECODER_HEARD, sizeof decoder->heard);
}

static void cross_fade(const int16_t spoken[FADE], int16_t out[FADE])
{
    for (int32_t i = 0; i < FADE; i++) {
        const int32_t weight = ((2 * i + 1) * FADE_STEP) >> 5;  // of the good sample, Q15
        const int64_t change = (int64_t)(out[i] - spoken[i]) * weight;
        out[i] = (int16_t)(spoken[i] + (int32_t)((change + (1 << 14)) >> 15));
    }
}

void dk_decoder_hear(dk_decoder *decoder, const int16_t pcm[DK_DECODER_SAMPLES],
                     int16_t out[DK_DECODER_SAMPLES])
{
    memmove(out, pcm, DK_DECODER_SAMPLES * sizeof out[0]);
    if (decoder->speaking) {
        int16_t spoken[DK_DECODER_FRAME];
        speak_frame(decoder, spoken);
        cross_fade(spoken, out);
        decoder->speaking = false;
    } else {
        advance(decoder);
    }
    advance(decoder);
    keep(decoder, out);
}

int32_t dk_decoder_payload(dk_decoder *decoder, uint32_t gap, const uint8_t *data, size_t size,
                           uint8_t *trace)
{
    if (gap > DK_DECODER_GAP_MAX) {
        return DK_ERR_ARGUMENT;
    }
    const int32_t chunks = dk_redundancy_begin(&decoder->redundancy, &decoder->work, data, size,
                                               DK_DRED_MAX_CHUNKS, trace);
    if (chunks < 0) {
        return chunks;
    }
    // Round down for either sign: a payload may end long before its packet begins.
    const int32_t samples = (int32_t)gap + UNIT * decoder->redundancy.payload.header.offset;
    const int32_t frames = samples >= 0 ? samples / DK_DECODER_FRAME
                                        : -((DK_DECODER_FRAME - 1 - samples) / DK_DECODER_FRAME);
    decoder->next = frames - 1 > SOONEST ? frames - 1 : SOONEST;
    decoder->frames = 0;
    return chunks;
}

unsigned dk_decoder_chunks(const dk_decoder *decoder)
{
    return decoder->redundancy.chunks;
}

unsigned dk_decoder_chunks_wanted(const dk_decoder *decoder)
{
    const dk_redundancy *redundancy = &decoder->redundancy;
    const int32_t oldest = decoder->next + (decoder->speaking ? 0 : BEFORE);
    int32_t end = (oldest > 0 ? oldest : 0) / DK_REDUNDANCY_CHUNK_FRAMES + 1;
    end = end < redundancy->chunks ? end : redundancy->chunks;
    return end > redundancy->decoded ? (unsigned)(end - redundancy->decoded) : 0;
}

int32_t dk_decoder_decode(dk_decoder *decoder, unsigned most, const int16_t **features,
                          uint8_t *trace)
{
    int16_t *found = decoder->features[0] + decoder->frames * DK_REDUNDANCY_FEATURES;
    const int32_t count =
        dk_redundancy_decode(&decoder->redundancy, &decoder->work, most, found, trace);
    if (count > 0) {
        *features = found;
        decoder->frames = (uint8_t)(decoder->frames + count * DK_REDUNDANCY_CHUNK_FRAMES);
    }
    return count;
}

// Bring the voice up to the last sample heard.
static void begin(dk_decoder *decoder)
{
    int16_t context[DK_DECODER_CONTEXT][DK_REDUNDANCY_FEATURES];
    for (int32_t i = 0; i < DK_DECODER_CONTEXT; i++) {
        features_at(decoder, decoder->next + BEFORE - i, context[i]);
    }
    dk_vocoder_begin(&decoder->voice, (const int16_t(*)[DK_REDUNDANCY_FEATURES])context,
                     decoder->heard);
    for (int32_t i = 0; i < DK_DECODER_KNOWN_FRAMES; i++) {
        const int16_t *known = decoder->heard + DK_DECODER_PAST + i * DK_DECODER_FRAME;
        int16_t ahead[DK_REDUNDANCY_FEATURES];
        int16_t same[DK_DECODER_FRAME];
        features_at(decoder, decoder->next + DK_DECODER_KNOWN_FRAMES - 1 - i, ahead);
        dk_vocoder_frame(&decoder->voice, ahead, known, same);
    }
    decoder->speaking = true;
}

void dk_decoder_speak(dk_decoder *decoder, int16_t out[DK_DECODER_SAMPLES])
{
    if (!decoder->speaking) {
        begin(decoder);
    }
    speak_frame(decoder, out);
    speak_frame(decoder, out + DK_DECODER_FRAME);
    keep(decoder, out);
}
