// SPDX-License-Identifier: BSD-3-Clause
// From the sums of dsp/correlate.h to correlations within -1 .. 1.
#ifndef DREDKIT_DSP_NORMALISE_H
#define DREDKIT_DSP_NORMALISE_H

#include <stdint.h>

#include "dsp/correlate.h"

#ifdef __cplusplus
extern "C" {
#endif

// out[i] = 2 dots[i] / energies[i] in Q15, cut towards zero, 32767 at most. energies[0] is
// `energy`; from one to the next past[i + 160]^2 enters and past[i]^2 leaves. 2 |dots[i]| <=
// energies[i], and these are within 1 .. 2^32 - 1.
void dk_normalise16(const int16_t past[DK_CORRELATE_SAMPLES + DK_CORRELATE_LAGS], uint32_t energy,
                    const int32_t dots[DK_CORRELATE_LAGS], int16_t out[DK_CORRELATE_LAGS]);

#ifdef __cplusplus
}
#endif

#endif
