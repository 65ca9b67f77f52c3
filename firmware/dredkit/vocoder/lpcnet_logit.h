// SPDX-License-Identifier: BSD-3-Clause
// Look-ups of tanh and sigmoid for the sample loop, and the logit of a node of the tree.
#ifndef DREDKIT_VOCODER_LPCNET_LOGIT_H
#define DREDKIT_VOCODER_LPCNET_LOGIT_H

#include <stdint.h>

#include "nn/fixed.h"
#include "vocoder/lpcnet_cells.h"

#ifdef __cplusplus
extern "C" {
#endif

// Read dk_lpcnet_tanh or dk_lpcnet_sigmoid at a pre-activation, which has `shift` more fractional
// bits than the table's steps.
static inline int32_t dk_lpcnet_read(const int16_t table[2 * DK_LPCNET_TANH_HALF], int32_t sum,
                                     int shift)
{
    const int32_t step = sum >> shift;
    const int32_t high = step < DK_LPCNET_TANH_HALF ? step : DK_LPCNET_TANH_HALF - 1;
    const int32_t inside = high < -DK_LPCNET_TANH_HALF ? -DK_LPCNET_TANH_HALF : high;
    return table[inside + DK_LPCNET_TANH_HALF];
}

// Return the Q12 logit of a node from the sums of its two halves.
static inline int16_t dk_lpcnet_logit_of(int32_t first, int32_t second, const int16_t scale[2])
{
    const int shift = DK_LPCNET_TREE_FRAC - DK_LPCNET_TANH_FRAC;
    const int32_t sum = dk_lpcnet_read(dk_lpcnet_tanh, first, shift) * scale[0] +
                        dk_lpcnet_read(dk_lpcnet_tanh, second, shift) * scale[1];
    return dk_saturate16((sum + (1 << (DK_LPCNET_LOGIT_SHIFT - 1))) >> DK_LPCNET_LOGIT_SHIFT);
}

#ifdef __cplusplus
}
#endif

#endif
