// SPDX-License-Identifier: BSD-3-Clause
// Portable element-wise part of a gated recurrent unit.
#include "dk_isa.h"

#if defined(DK_ISA_C)

#include "nn/fixed.h"
#include "nn/nn.h"

void dk_gru_update(int16_t *gates, size_t count, int16_t *state)
{
    const int16_t *z = gates;
    const int16_t *r = gates + count;
    int16_t *h = gates + 2 * count;
    const int16_t *from_state = gates + 3 * count;

    for (size_t i = 0; i < 2 * count; i++) {
        gates[i] = dk_add16(gates[i], from_state[i]);
    }
    dk_sigmoid(gates, 2 * count);
    for (size_t i = 0; i < count; i++) {
        h[i] = dk_add16(h[i], dk_mul_q15(r[i], from_state[2 * count + i]));
    }
    dk_tanh(h, count);
    for (size_t i = 0; i < count; i++) {
        const int16_t rest = (int16_t)(INT16_MAX - z[i]);  // z is 0 .. 32767
        state[i] = dk_add16(dk_mul_q15(z[i], state[i]), dk_mul_q15(rest, h[i]));
    }
}

#endif
