// SPDX-License-Identifier: BSD-3-Clause
// The resampler: polyphase numerators and recursive sections.
#include "dsp/resample.h"

#include <stddef.h>
#include <string.h>

#include "dsp/scalar.h"

#define TAP_FRAC 28
#define POLE_FRAC 30
#define STATE_FRAC 11
#define PAST (DK_RESAMPLE_TAPS - 1)

dk_status dk_resampler_init(dk_resampler *resampler, uint32_t rate)
{
    memset(resampler, 0, sizeof *resampler);
    switch (rate) {
        case 8000:
            resampler->filter = &dk_resample_8k;
            return DK_OK;
        case 12000:
            resampler->filter = &dk_resample_12k;
            return DK_OK;
        case 16000:
            return DK_OK;
        case 24000:
            resampler->filter = &dk_resample_24k;
            return DK_OK;
        case 48000:
            resampler->filter = &dk_resample_48k;
            return DK_OK;
        default:
            return DK_ERR_RATE;
    }
}

static void delay(int16_t *past, const int16_t *in, int16_t *out)
{
    const size_t rest = DK_RESAMPLE_OUT - DK_RESAMPLE_DELAY;
    memcpy(out, past, DK_RESAMPLE_DELAY * sizeof *out);
    memcpy(out + DK_RESAMPLE_DELAY, in, rest * sizeof *out);
    memcpy(past, in + rest, DK_RESAMPLE_DELAY * sizeof *past);
}

// Return the numerator's sum for one output; `newest` points at the newest sample that it takes.
static int32_t numerator(const int32_t *taps, size_t width, const int16_t *newest)
{
    int64_t sum = 0;
    for (const int32_t *end = taps + width; taps < end; taps += 2, newest -= 2) {
        sum += (int64_t)taps[0] * newest[0];
        sum += (int64_t)taps[1] * newest[-1];
    }
    return (int32_t)dk_rounded(sum, TAP_FRAC - STATE_FRAC);
}

static int32_t recursion(const int32_t poles[][2], int32_t state[][2], int32_t x)
{
    for (size_t s = 0; s < DK_RESAMPLE_SECTIONS; s++) {
        const int64_t sum = (int64_t)poles[s][0] * state[s][0] + (int64_t)poles[s][1] * state[s][1];
        x -= (int32_t)dk_rounded(sum, POLE_FRAC);
        state[s][1] = state[s][0];
        state[s][0] = x;
    }
    return x;
}

void dk_resample(dk_resampler *resampler, const int16_t *in, int16_t out[DK_RESAMPLE_OUT])
{
    const dk_resample_filter *filter = resampler->filter;
    if (filter == NULL) {
        delay(resampler->past, in, out);
        return;
    }
    // The first outputs reach back into the last block: join both sides of the border.
    int16_t border[2 * PAST];
    memcpy(border, resampler->past, sizeof resampler->past);
    memcpy(border + PAST, in, PAST * sizeof *in);

    const uint32_t step = filter->down / filter->up, rest = filter->down % filter->up;
    uint32_t place = 0, phase = 0;  // index of the newest input, and the fraction beyond it
    const int32_t *taps = filter->taps;
    for (size_t m = 0; m < DK_RESAMPLE_OUT; m++) {
        const int16_t *newest = place < PAST ? border + PAST + place : in + place;
        const int32_t x = numerator(taps, filter->width, newest);
        const int32_t y = recursion(filter->poles, resampler->state, x);
        out[m] = (int16_t)dk_saturate(dk_rounded(y, STATE_FRAC), 16);
        taps = m % filter->up == filter->up - 1U ? filter->taps : taps + filter->width;
        phase += rest;
        place += step + (phase >= filter->up ? 1 : 0);
        phase -= phase >= filter->up ? filter->up : 0;
    }
    const size_t count = (size_t)DK_RESAMPLE_OUT * filter->down / filter->up;
    memcpy(resampler->past, in + count - PAST, sizeof resampler->past);
}
