// SPDX-License-Identifier: BSD-3-Clause
// PCM at 8, 12, 16, 24 or 48 kHz to 16 kHz; quantize/dsp/resample.py is the definition.
#ifndef DREDKIT_DSP_RESAMPLE_H
#define DREDKIT_DSP_RESAMPLE_H

#include <stdint.h>

#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_RESAMPLE_OUT 160  // samples out for 10 ms in
#define DK_RESAMPLE_SECTIONS 4
#define DK_RESAMPLE_TAPS 22
#define DK_RESAMPLE_DELAY 11  // of 16 kHz input, which only waits

typedef struct {
    uint8_t up;
    uint8_t down;
    uint8_t width;                           // taps of one phase, an even count
    const int32_t *taps;                     // [up][width], Q28, the newest input first
    int32_t poles[DK_RESAMPLE_SECTIONS][2];  // Q30
} dk_resample_filter;

typedef struct {
    const dk_resample_filter *filter;  // NULL: 16 kHz
    int16_t past[DK_RESAMPLE_TAPS - 1];
    int32_t state[DK_RESAMPLE_SECTIONS][2];
} dk_resampler;

extern const dk_resample_filter dk_resample_8k, dk_resample_12k, dk_resample_24k, dk_resample_48k;

// Start from rest. DK_ERR_RATE for another rate than those above.
dk_status dk_resampler_init(dk_resampler *resampler, uint32_t rate);

// 10 ms: rate / 100 samples in, 160 out. The two do not overlap.
void dk_resample(dk_resampler *resampler, const int16_t *in, int16_t out[DK_RESAMPLE_OUT]);

#ifdef __cplusplus
}
#endif

#endif
