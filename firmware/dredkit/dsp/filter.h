// SPDX-License-Identifier: BSD-3-Clause
// A finite filter with int32 taps for int16 samples.
#ifndef DREDKIT_DSP_FILTER_H
#define DREDKIT_DSP_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "dk_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_FILTER_TAPS 18
#define DK_FILTER_ROOM 20  // taps and zeros at the end, so that kernels can take four at once

// Compute y[n] = sum over k of taps[k] x[n + k] / 2^14, nearest, half up, clipped to 31 bits. The
// sums are below 2^62. `count` is a multiple of 8; x[0 .. count + 18] are read.
void dk_filter(const int32_t taps[DK_FILTER_ROOM], const int16_t *x, size_t count, int32_t *y);

// Compute y[n] = x[n + 1] + factor x[n] / 2^31, nearest, half up. |x| <= 2^30; the sums are within
// int32. `count` is a multiple of 4; x[0 .. count] are read.
void dk_echo(const int32_t *x, size_t count, int32_t factor, int32_t *y);

enum { DK_FILTER_SHIFT = 14, DK_FILTER_BITS = 31, DK_FILTER_HALF = 1 << (DK_FILTER_SHIFT - 1) };

// Shift and clip a sum that includes the rounding half. Its upper word tells whether to clip.
static inline int32_t dk_filtered(int64_t sum)
{
    const int32_t limit = 1 << (DK_FILTER_SHIFT + DK_FILTER_BITS - 1 - 32);
    const int32_t upper = (int32_t)(sum >> 32);
    if (upper >= -limit && upper < limit) {
        return (int32_t)(sum >> DK_FILTER_SHIFT);
    }
    const int32_t top = (1 << (DK_FILTER_BITS - 1)) - 1;
    return upper < 0 ? -top - 1 : top;
}

#ifdef __cplusplus
}
#endif

#endif
