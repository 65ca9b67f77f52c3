// SPDX-License-Identifier: BSD-3-Clause
// LPCNet's sample loop in portable C.
#include "vocoder/lpcnet_cells.h"

#if !defined(DK_ISA_MVE) && !defined(DK_ISA_SIMD32)

#include <string.h>

#include "vocoder/lpcnet_logit.h"

enum { ROWS = 8, COLS = 4, TANH_SHIFT = DK_LPCNET_FRAC - DK_LPCNET_TANH_FRAC };

void dk_lpcnet_look_up(const dk_lpcnet_cells *cells, const uint8_t codes[DK_LPCNET_HEARD],
                       const int32_t *gates, int32_t *sums)
{
    const int8_t *t0 = cells->tables[0][codes[0]];
    const int8_t *t1 = cells->tables[1][codes[1]];
    const int8_t *t2 = cells->tables[2][codes[2]];
    const int16_t *scales = cells->table_scale;
    for (uint32_t i = 0; i < 3 * DK_LPCNET_A; i++) {
        sums[i] = gates[i] + scales[i] * (t0[i] + t1[i] + t2[i]);
    }
}

void dk_lpcnet_copy(const int32_t *from, uint32_t count, int32_t *to)
{
    memcpy(to, from, count * sizeof *to);
}

#if !defined(DK_ISA_NEON)  // neon/lpcnet_cells.c and dotprod/lpcnet_cells.c define these
void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x, int32_t *sums)
{
    const dk_lpcnet_number *w = matrix->weights;
    const uint8_t *index = matrix->index;
    for (uint32_t top = 0; top < matrix->rows; top += ROWS) {
        int32_t acc[ROWS] = {0};
        for (uint32_t left = *index++; left > 0; left--) {
            const dk_lpcnet_number *in = x + (uint32_t)COLS * *index++;
            for (uint32_t row = 0; row < ROWS; row++, w += COLS) {
                acc[row] += w[0] * in[0] + w[1] * in[1] + w[2] * in[2] + w[3] * in[3];
            }
        }
        for (uint32_t row = 0; row < ROWS; row++) {
            sums[top + row] += acc[row];
        }
    }
}

void dk_lpcnet_update(const int32_t *sums, const int32_t *kept, uint32_t units, int16_t *state,
                      dk_lpcnet_number *x)
{
    for (uint32_t i = 0; i < units; i++) {
        const int32_t z = dk_lpcnet_read(dk_lpcnet_sigmoid, sums[i], TANH_SHIFT + 1);
        const int32_t r = dk_lpcnet_read(dk_lpcnet_sigmoid, sums[units + i], TANH_SHIFT + 1);
        const int32_t of_state = (int32_t)((int64_t)kept[i] * r >> 16);
        const int32_t h =
            dk_lpcnet_read(dk_lpcnet_tanh, sums[2 * units + i] + 2 * of_state, TANH_SHIFT);
        const int32_t now = h + ((state[i] - h) * z >> 15);
        const int32_t narrow = (now + (1 << 7)) >> 8;
        state[i] = (int16_t)now;
        x[i] = (dk_lpcnet_number)(narrow < 127 ? narrow : 127);
    }
}

int16_t dk_lpcnet_logit(const dk_lpcnet_cells *cells, uint32_t node,
                        const int16_t state[DK_LPCNET_B])
{
    int32_t sums[2] = {cells->tree_bias[node][0], cells->tree_bias[node][1]};
    for (int i = 0; i < DK_LPCNET_B; i++) {
        sums[0] += cells->tree_weights[node][0][i] * state[i];
        sums[1] += cells->tree_weights[node][1][i] * state[i];
    }
    return dk_lpcnet_logit_of(sums[0], sums[1], cells->tree_scale[node]);
}
#endif

#endif
