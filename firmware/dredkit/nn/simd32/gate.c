// SPDX-License-Identifier: BSD-3-Clause
// The second half of a gated linear unit with SIMD32, two values at once.
#include "dk_isa.h"

#if defined(DK_ISA_SIMD32)

#include "nn/nn.h"
#include "nn/simd32/pairs.h"
#include "nn/simd32/products.h"

void dk_gate(int16_t *gates, const int16_t *x, size_t count)
{
    size_t i = 0;
    for (; i + 2 <= count; i += 2) {
        dk_put_pair(gates + i, dk_multiplied(dk_pair(gates + i), dk_pair(x + i)));
    }
    if (i < count) {
        gates[i] = (int16_t)dk_multiplied((uint16_t)gates[i], (uint16_t)x[i]);
    }
}

#endif
