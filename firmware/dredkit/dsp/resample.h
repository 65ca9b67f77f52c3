// SPDX-License-Identifier: BSD-3-Clause
// Resamples PCM at 8, 12, 16, 24 or 48 kHz to 16 kHz; quantize/dsp/resample.py defines it.
#ifndef DREDKIT_DSP_RESAMPLE_H
#define DREDKIT_DSP_RESAMPLE_H

#include <stdint.h>

#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_RESAMPLE_OUT 160  // output samples for 10 ms of input
#define DK_RESAMPLE_SECTIONS 4
#define DK_RESAMPLE_TAPS 22
#define DK_RESAMPLE_DELAY 11  // samples of delay for 16 kHz input, which is not filtered

typedef struct {
    uint8_t up;
    uint8_t down;
    uint8_t width;                           // taps of one phase, an even number
    const int32_t *taps;                     // [up][width], Q28, the newest input first
    int32_t poles[DK_RESAMPLE_SECTIONS][2];  // Q30
} dk_resample_filter;

typedef struct {
    const dk_resample_filter *filter;  // NULL: 16 kHz
    int16_t past[DK_RESAMPLE_TAPS - 1];
    int32_t state[DK_RESAMPLE_SECTIONS][2];
} dk_resampler;

extern const dk_resample_filter dk_resample_8k, dk_resample_12k, dk_resample_24k, dk_resample_48k;

// Initialise to rest. Returns DK_OK, or DK_ERR_RATE for any other rate.
dk_status dk_resampler_init(dk_resampler *resampler, uint32_t rate);

// Resample 10 ms: rate / 100 samples in, 160 samples out. `in` and `out` must not overlap.
void dk_resample(dk_resampler *resampler, const int16_t *in, int16_t out[DK_RESAMPLE_OUT]);

#ifdef __cplusplus
}
#endif

#endif
