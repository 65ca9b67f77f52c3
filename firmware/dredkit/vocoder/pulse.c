// SPDX-License-Identifier: BSD-3-Clause
// The untrained voice: pulses and noise through the predictor, and how it follows known samples.
#include "vocoder/pulse.h"

#include <string.h>

#include "features/features.h"
#include "vocoder/predict.h"
#include "vocoder/pulse_tables.h"

#define FEATURE_FRAC 10
#define CENTRE (DK_PULSE_TAPS / 2)  // index of the tap at a pulse's middle
#define LOWEST_PULSE 1              // the pulse of this level finds the speech's own pulses
#define NOWHERE (-DK_VOICE_FRAME)   // place of the peak while none was found
#define PULSE_FRAC 15
#define NOISE_SHIFT 16  // 14 for the filter's taps, and 2 for its gain
#define LOUDEST (14 * (1 << DK_LOG_FRAC))
#define JUMP 256  // of pitch: a change of more than a quarter of an octave is no glide
#define VOICED_IN_CORRELATION 10
#define OCTAVES (8 * (1 << DK_LOG_FRAC))  // logarithm of the longest period

typedef struct {
    int16_t taps[DK_VOICE_ORDER];
    int32_t level;    // Q24, 14 octaves at most
    int32_t octaves;  // from a period of 256 samples down to this one, Q24
    uint32_t step;    // of the phase, per sample
    int32_t voiced;   // 0 .. 7
} part;

// Return 2^log, rounded down, of a Q24 logarithm below 31.
static int32_t power(int32_t log)
{
    const int whole = log >> DK_LOG_FRAC;
    return whole < 0 ? 0 : (int32_t)(dk_exp2((uint32_t)log & DK_LOG_MASK) >> (30 - whole));
}

static int32_t magnitude(int32_t x)
{
    return x < 0 ? -x : x;
}

// Derive half a frame's parameters from the own features, moved a quarter of the way to a
// neighbour's features.
static void prepare(const int16_t other[DK_VOICE_FEATURES], const int16_t own[DK_VOICE_FEATURES],
                    part *half)
{
    int16_t mixed[DK_VOICE_FEATURES];
    for (int i = 0; i < DK_VOICE_FEATURES; i++) {
        mixed[i] = (int16_t)((other[i] + 3 * own[i] + 2) >> 2);
    }
    if (magnitude(other[DK_VOICE_PITCH] - own[DK_VOICE_PITCH]) > JUMP) {
        mixed[DK_VOICE_PITCH] = own[DK_VOICE_PITCH];
    }
    const int32_t level = dk_voice_predictor(mixed, half->taps);
    half->level = level < LOUDEST ? level : LOUDEST;
    half->octaves = (mixed[DK_VOICE_PITCH] + 3 * (1 << (FEATURE_FRAC - 1))) *
                    (1 << (DK_LOG_FRAC - FEATURE_FRAC));
    half->step = (uint32_t)power(half->octaves + 24 * (1 << DK_LOG_FRAC));
    const int32_t correlation = dk_voice_voicing(mixed[DK_VOICE_CORRELATION]);
    const int32_t voiced = (correlation * VOICED_IN_CORRELATION + (1 << 14)) >> 15;
    half->voiced = voiced < DK_PULSE_LEVELS ? voiced : DK_PULSE_LEVELS - 1;
}

// Return the height of a pulse, Q12, with its sign.
static int32_t height_of(const dk_pulse *voice, const part *half)
{
    const int32_t root = (OCTAVES - half->octaves) >> 1;  // logarithm of the period's root
    return voice->sign * power(half->level + DK_PULSE_LOG + root);
}

// Add a pulse from `ago` samples after its start on. `phase` is what the phase had beyond a whole
// turn at the pulse's first sample.
static void add_pulse(const dk_pulse *voice, const part *half, uint32_t phase, int ago,
                      int32_t *excitation)
{
    const uint32_t step = half->step;
    const int place = (phase >= step >> 2) + (phase >= step >> 1) +
                      (phase >= (uint32_t)((uint64_t)step * 3 >> 2));
    const int16_t *taps = dk_pulse_pulses[half->voiced][place];
    const int32_t height = height_of(voice, half);
    for (int k = ago; k < DK_PULSE_TAPS; k++) {
        excitation[k - ago] += (int32_t)dk_rounded((int64_t)taps[k] * height, PULSE_FRAC);
    }
}

// Return what is taken off for the mean of the pulses.
static int32_t mean_of(const dk_pulse *voice, const part *half)
{
    const int64_t whole = (int64_t)height_of(voice, half) * dk_pulse_means[half->voiced];
    return (int32_t)((whole >> PULSE_FRAC) * half->step >> 32);
}

// Add filtered white noise, which swells around the pulses, to the pulses in the excitation, and
// take off most of their mean.
static void add_noise(dk_pulse *voice, const part *half)
{
    const int16_t *taps = dk_pulse_noises[half->voiced];
    const int32_t mean = dk_pulse_swells[half->voiced][0], swing = dk_pulse_swells[half->voiced][1];
    const int32_t loud = power(half->level + DK_PULSE_NOISE_LOG);
    const int32_t offset = mean_of(voice, half);
    uint32_t phase = voice->phase, draw = voice->draw;
    for (int n = 0; n < DK_PULSE_HALF; n++) {
        phase += half->step;
        voice->hiss[DK_PULSE_TAPS + n] = (int16_t)((int32_t)(dk_xorshift32(&draw) >> 16) - 32768);
        const int64_t sum = dk_voice_dot(taps, voice->hiss + n + 1);
        const int32_t noise = (int32_t)(sum >> NOISE_SHIFT);
        const int32_t near = 2 * magnitude((int32_t)(phase >> 16) - 32768) - 32768;
        const int32_t swell = mean + (swing * near >> 15);
        voice->excitation[n] += (int32_t)((int64_t)(noise * swell) * loud >> 31) - offset;
    }
    voice->draw = draw;
    memmove(voice->hiss, voice->hiss + DK_PULSE_HALF, DK_PULSE_TAPS * sizeof *voice->hiss);
}

static void add_pulses(dk_pulse *voice, const part *half)
{
    uint32_t phase = voice->phase;
    for (int n = 0; n < DK_PULSE_HALF; n++) {
        phase += half->step;
        if (phase < half->step) {
            add_pulse(voice, half, phase, 0, voice->excitation + n);
        }
    }
}

// Make room for the next half: keep what the last half left of its pulses and clear the rest.
static void open_half(dk_pulse *voice)
{
    memcpy(voice->excitation, voice->excitation + DK_PULSE_HALF,
           DK_PULSE_TAPS * sizeof *voice->excitation);
    memset(voice->excitation + DK_PULSE_TAPS, 0, DK_PULSE_HALF * sizeof *voice->excitation);
}

static void keep_signal(dk_pulse *voice)
{
    memmove(voice->signal, voice->signal + DK_PULSE_HALF, DK_VOICE_ORDER * sizeof *voice->signal);
}

static void speak(dk_pulse *voice, const part *half, int16_t pcm[DK_PULSE_HALF])
{
    open_half(voice);
    add_pulses(voice, half);
    add_noise(voice, half);
    voice->phase += DK_PULSE_HALF * half->step;
    int16_t last = voice->pcm;
    for (int n = 0; n < DK_PULSE_HALF; n++) {
        const int64_t sum = dk_voice_dot(half->taps, voice->signal + n) + voice->excitation[n];
        const int16_t sample = dk_voice_sample(sum);
        voice->signal[DK_VOICE_ORDER + n] = sample;
        last = dk_voice_deemphasised(sample, last);
        pcm[n] = last;
    }
    voice->pcm = last;
    keep_signal(voice);
}

// Return the low-passed residual; `residual` points at the newest sample that it covers.
static int32_t low(const int32_t *residual)
{
    const int16_t *taps = dk_pulse_pulses[LOWEST_PULSE][0];
    int64_t sum = 0;
    for (int k = 0; k < DK_PULSE_TAPS; k++) {
        sum += (int64_t)taps[k] * residual[k - DK_PULSE_TAPS + 1];
    }
    return (int32_t)(sum >> PULSE_FRAC);
}

// Follow half of a known frame: bring the signal up to date, and find the residual's peak from
// sample `first` on.
static void follow(dk_pulse *voice, const part *half, const int16_t known[DK_PULSE_HALF], int first,
                   int32_t *peak, int *at)
{
    int32_t *residual = voice->excitation + DK_PULSE_TAPS;
    int16_t last = voice->pcm;
    for (int i = 0; i < DK_PULSE_HALF; i++) {
        const int16_t sample = dk_voice_emphasised(known[i], last);
        last = known[i];
        voice->signal[DK_VOICE_ORDER + i] = sample;
        const int64_t dot = dk_voice_dot(half->taps, voice->signal + i);
        residual[i] = sample - (int32_t)dk_rounded(dot, DK_VOICE_TAP_FRAC);
        if (i < first) {
            continue;
        }
        const int32_t value = low(residual + i);
        if (*at <= NOWHERE || magnitude(value) > magnitude(*peak)) {
            *peak = value;
            *at = i;
        }
    }
    voice->pcm = last;
    keep_signal(voice);
}

// Set the phase so that the middle of the next pulse lies a period after the peak.
static void resume(dk_pulse *voice, const part *half)
{
    const uint64_t turn = (uint64_t)(voice->since + CENTRE) * half->step;
    voice->phase = (uint32_t)turn;
    memset(voice->excitation, 0, sizeof voice->excitation);
    if (turn >> 32 != 0) {  // that pulse has begun already: add its rest
        const uint32_t ago = voice->phase / half->step;
        if (ago < DK_PULSE_TAPS) {
            add_pulse(voice, half, voice->phase - ago * half->step, (int)ago + 1,
                      voice->excitation + DK_PULSE_HALF);
        }
    }
}

// Follow a known frame, and set the phase for what is spoken after it.
static void take(dk_pulse *voice, const part halves[2], const int16_t known[DK_VOICE_FRAME])
{
    const int32_t period = (int32_t)dk_features_period(halves[1].octaves >> (DK_LOG_FRAC - 20));
    const int32_t first = period < DK_VOICE_FRAME ? DK_VOICE_FRAME - period : 0;
    int32_t peak = 0;
    int at = NOWHERE;  // relative to the current half
    memset(voice->excitation, 0, sizeof voice->excitation);
    follow(voice, &halves[0], known, first, &peak, &at);
    memcpy(voice->excitation, voice->excitation + DK_PULSE_HALF,
           DK_PULSE_TAPS * sizeof *voice->excitation);
    at -= DK_PULSE_HALF;
    follow(voice, &halves[1], known + DK_PULSE_HALF, first - DK_PULSE_HALF, &peak, &at);
    voice->since += DK_VOICE_FRAME;
    if (voice->since >= period || magnitude(peak) >= voice->peak) {
        voice->peak = magnitude(peak);
        voice->since = DK_PULSE_HALF - at + DK_PULSE_TAPS - 1 - CENTRE;
        voice->sign = peak < 0 ? -1 : 1;
    }
    resume(voice, &halves[1]);
}

void dk_pulse_begin(dk_pulse *voice, const int16_t context[DK_VOICE_CONTEXT][DK_VOICE_FEATURES],
                    const int16_t past[DK_VOICE_PAST])
{
    memset(voice, 0, sizeof *voice);
    dk_voice_clamp(context[DK_VOICE_CONTEXT - 2], voice->before);
    dk_voice_clamp(context[DK_VOICE_CONTEXT - 1], voice->now);
    dk_voice_emphasise(past, DK_VOICE_ORDER, voice->signal);
    voice->pcm = past[DK_VOICE_PAST - 1];
    voice->draw = DK_VOICE_SEED;
    voice->since = DK_VOICE_FRAME;
    voice->sign = 1;
}

void dk_pulse_frame(dk_pulse *voice, const int16_t ahead[DK_VOICE_FEATURES], const int16_t *known,
                    int16_t pcm[DK_VOICE_FRAME])
{
    part halves[2];
    int16_t next[DK_VOICE_FEATURES];
    dk_voice_clamp(ahead, next);
    prepare(voice->before, voice->now, &halves[0]);
    prepare(next, voice->now, &halves[1]);
    if (known != NULL) {
        take(voice, halves, known);
        memmove(pcm, known, DK_VOICE_FRAME * sizeof *pcm);
    } else {
        speak(voice, &halves[0], pcm);
        speak(voice, &halves[1], pcm + DK_PULSE_HALF);
    }
    memcpy(voice->before, voice->now, sizeof voice->before);
    memcpy(voice->now, next, sizeof voice->now);
}

void dk_pulse_end(dk_pulse *voice, const int16_t ahead[DK_VOICE_FEATURES], int32_t count,
                  int16_t pcm[DK_VOICE_FRAME])
{
    (void)count;
    dk_pulse_frame(voice, ahead, NULL, pcm);
}
