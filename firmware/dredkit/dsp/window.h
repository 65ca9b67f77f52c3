// SPDX-License-Identifier: BSD-3-Clause
// Prepares samples for the FFT: pre-emphasis, then a window.
#ifndef DREDKIT_DSP_WINDOW_H
#define DREDKIT_DSP_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "dk_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_PREEMPHASIS 27853  // 0.85, Q15
#define DK_EMPHASIS_FRAC 15

// Compute y[n] = x[n + 1] - 0.85 x[n], Q15; |y[n]| is below 1.85 * 2^30. `count` is a multiple of
// 8.
void dk_emphasise(const int16_t *x, size_t count, int32_t *y);

// Window x in place: x[n] 2^up w[n] / 2^32, nearest, half up. `rising` is the window's rising half,
// w[count / 2]; its falling half is the same in reverse. `up` keeps each x within int32. `count` is
// a multiple of 8.
void dk_window(int32_t *x, size_t count, const int32_t *rising, int up);

#ifdef __cplusplus
}
#endif

#endif
