// SPDX-License-Identifier: BSD-3-Clause
// Converts between 16 and 48 kHz without a shift in time, for speech inside 48-kHz audio.
// quantize/dsp/thirds.py defines it to the bit and states the pass-band: within 0.1 dB up to 7 kHz.
#ifndef DREDKIT_DSP_THIRDS_H
#define DREDKIT_DSP_THIRDS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_THIRDS 3         // samples at 48 kHz for one at 16 kHz
#define DK_THIRDS_REACH 12  // samples at 16 kHz that the filter reaches to each side

// Write 3 * count samples at 48 kHz. `in` has the count samples at 16 kHz at their times, with
// DK_THIRDS_REACH more before them and after them.
void dk_thirds_up(const int16_t *in, int32_t count, int16_t *out);

// Write `count` samples at 16 kHz, the first of the last `last`, of a signal at 48 kHz that ends
// before `end` and has 3 * (last + DK_THIRDS_REACH) samples or more. The signal is continued by its
// reflection.
void dk_thirds_down_end(const int16_t *end, int32_t last, int32_t count, int16_t *out);

#ifdef __cplusplus
}
#endif

#endif
