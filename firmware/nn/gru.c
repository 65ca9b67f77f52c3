// SPDX-License-Identifier: BSD-3-Clause
// z = sigmoid(Wz x + Uz s), r = sigmoid(Wr x + Ur s), h = tanh(Wh x + r (Uh s)),
// s = z s + (1 - z) h, where 1 is 32767 in Q15.
#include "nn/fixed.h"
#include "nn/nn.h"

void dk_gru_step(const dk_gru *gru, const int8_t *x8, int16_t *state, int16_t *gates,
                 int8_t *state8)
{
    const size_t n = gru->size;
    int16_t *z = gates;
    int16_t *r = gates + n;
    int16_t *h = gates + 2 * n;
    const int16_t *from_state = gates + 3 * n;

    dk_narrow(state, n, state8);
    dk_matvec8(&gru->input, x8, gates);
    dk_matvec8(&gru->recurrent, state8, gates + 3 * n);

    for (size_t i = 0; i < 2 * n; i++) {
        gates[i] = dk_add16(gates[i], from_state[i]);
    }
    dk_sigmoid(gates, 2 * n);
    for (size_t i = 0; i < n; i++) {
        h[i] = dk_add16(h[i], dk_mul_q15(r[i], from_state[2 * n + i]));
    }
    dk_tanh(h, n);
    for (size_t i = 0; i < n; i++) {
        const int16_t rest = (int16_t)(INT16_MAX - z[i]);  // z is 0 .. 32767
        state[i] = dk_add16(dk_mul_q15(z[i], state[i]), dk_mul_q15(rest, h[i]));
    }
}
