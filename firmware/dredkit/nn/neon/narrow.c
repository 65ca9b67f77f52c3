// SPDX-License-Identifier: BSD-3-Clause
// Conversion of Q15 activations to the int8 inputs of matrix products with NEON, sixteen at once. A
// doubling and rounding multiplication by 127 is (127 x + 2^14) >> 15.
#include "dk_isa.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

#include "nn/nn.h"

enum { X8_ONE = 127, LANES = 8 };

static inline int8x8_t eight(const int16_t *q15)
{
    return vmovn_s16(vqrdmulhq_s16(vld1q_s16(q15), vdupq_n_s16(X8_ONE)));
}

void dk_narrow(const int16_t *q15, size_t count, int8_t *x8)
{
    size_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        vst1q_s8(x8 + i, vcombine_s8(eight(q15 + i), eight(q15 + i + LANES)));
    }
    for (; i < count; i++) {
        x8[i] = (int8_t)((q15[i] * X8_ONE + (1 << 14)) >> 15);
    }
}

#endif
