// SPDX-License-Identifier: BSD-3-Clause
// The second half of a gated linear unit with NEON, eight values at once.
#include "dk_isa.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

#include "nn/fixed.h"
#include "nn/neon/products.h"
#include "nn/nn.h"

enum { LANES = 8 };

void dk_gate(int16_t *gates, const int16_t *x, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        vst1q_s16(gates + i, dk_multiplied(vld1q_s16(gates + i), vld1q_s16(x + i)));
    }
    for (; i < count; i++) {
        gates[i] = dk_mul_q15(gates[i], x[i]);
    }
}

#endif
