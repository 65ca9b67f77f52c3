// SPDX-License-Identifier: BSD-3-Clause
// Normalises the sums of dsp/correlate.h to correlations within -1 .. 1.
#ifndef DREDKIT_DSP_NORMALISE_H
#define DREDKIT_DSP_NORMALISE_H

#include <stdint.h>

#include "dsp/correlate.h"

#ifdef __cplusplus
extern "C" {
#endif

// Compute out[i] = 2 dots[i] / energies[i] in Q15, cut towards zero, at most 32767. energies[0] is
// `energy`; energies[i + 1] is energies[i] + past[i + 160]^2 - past[i]^2. The caller guarantees
// 2 |dots[i]| <= energies[i] and energies within 1 .. 2^32 - 1.
void dk_normalise16(const int16_t past[DK_CORRELATE_SAMPLES + DK_CORRELATE_LAGS], uint32_t energy,
                    const int32_t dots[DK_CORRELATE_LAGS], int16_t out[DK_CORRELATE_LAGS]);

#ifdef __cplusplus
}
#endif

#endif
