// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid with SIMD32, two values at once.
#include "dk_isa.h"

#if defined(DK_ISA_SIMD32)

#include "nn/nn.h"
#include "nn/simd32/chords.h"
#include "nn/simd32/pairs.h"

void dk_tanh(int16_t *values, size_t count)
{
    const dk_chord *middle = dk_tanh_middle();
#pragma GCC unroll 2
    for (const int16_t *end = values + count / 2 * 2; values < end; values += 2) {
        dk_put_pair(values, dk_tanh_pair(middle, dk_pair(values)));
    }
    if (count % 2 > 0) {
        *values = (int16_t)dk_tanh_pair(middle, (uint16_t)*values);
    }
}

void dk_sigmoid(int16_t *values, size_t count)
{
    const dk_chord *middle = dk_sigmoid_middle();
#pragma GCC unroll 2
    for (const int16_t *end = values + count / 2 * 2; values < end; values += 2) {
        dk_put_pair(values, dk_sigmoid_pair(middle, dk_pair(values)));
    }
    if (count % 2 > 0) {
        *values = (int16_t)dk_sigmoid_pair(middle, (uint16_t)*values);
    }
}

#endif
