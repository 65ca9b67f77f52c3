// SPDX-License-Identifier: BSD-3-Clause
// One step of a gated recurrent unit: two matrix products and the element-wise update.
#include "nn/nn.h"

void dk_gru_step(const dk_gru *gru, const int8_t *x8, int16_t *state, int16_t *gates,
                 int8_t *state8)
{
    const size_t n = gru->size;
    dk_narrow(state, n, state8);
    dk_matvec8(&gru->input, x8, gates);
    dk_matvec8(&gru->recurrent, state8, gates + 3 * n);
    dk_gru_update(gates, n, state);
}
