// SPDX-License-Identifier: BSD-3-Clause
// Linear prediction of order 16; quantize/dsp/lpc.py defines it.
#ifndef DREDKIT_DSP_LPC_H
#define DREDKIT_DSP_LPC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_LPC_ORDER 16
#define DK_LPC_FRAC 24

// Run Levinson's recursion on the lags; lag 0 is the largest and in [2^29, 2^30). The recursion
// stops when the gain reaches 30 dB. The residual is y[n] + sum lpc[k] y[n - 1 - k]; the
// coefficients are Q24, within +-32. Returns the prediction error that is left of lag 0; it is at
// least 1.
int32_t dk_levinson(const int32_t lags[DK_LPC_ORDER + 1], int32_t lpc[DK_LPC_ORDER]);

#ifdef __cplusplus
}
#endif

#endif
