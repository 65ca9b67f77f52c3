// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid with NEON, eight values at once.
#include "dk_isa.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

#include "nn/neon/chords.h"
#include "nn/nn.h"

enum { LANES = 8 };

// Keeps the compiler from vectorising the loop over the few values left, often a single one.
#define NO_LANES(i) __asm__("" : "+r"(i))

void dk_tanh(int16_t *values, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        vst1q_s16(values + i, dk_tanh_eight(vld1q_s16(values + i)));
    }
    for (; i < count; i++) {
        NO_LANES(i);
        values[i] = dk_tanh_one(values[i]);
    }
}

void dk_sigmoid(int16_t *values, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        vst1q_s16(values + i, dk_sigmoid_eight(vld1q_s16(values + i)));
    }
    for (; i < count; i++) {
        NO_LANES(i);
        values[i] = dk_sigmoid_one(values[i]);
    }
}

#endif
