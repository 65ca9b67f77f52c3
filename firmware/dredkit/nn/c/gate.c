// SPDX-License-Identifier: BSD-3-Clause
// The portable second half of a gated linear unit.
#include "dk_isa.h"

#if defined(DK_ISA_C)

#include "nn/fixed.h"
#include "nn/nn.h"

void dk_gate(int16_t *gates, const int16_t *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gates[i] = dk_mul_q15(gates[i], x[i]);
    }
}

#endif
