// SPDX-License-Identifier: BSD-3-Clause
// The sample loop's arithmetic in portable C.
#include "vocoder/lpcnet_cells.h"

#if !defined(DK_LPCNET_MVE) && !defined(DK_LPCNET_SIMD32)

enum { ROWS = 4, COLS = 4, TANH_SHIFT = DK_LPCNET_FRAC - DK_LPCNET_TANH_FRAC };

void dk_lpcnet_look_up(const uint8_t codes[DK_LPCNET_HEARD], const int32_t *gates, int32_t *sums)
{
    const int8_t *t0 = dk_lpcnet_tables[0][codes[0]];
    const int8_t *t1 = dk_lpcnet_tables[1][codes[1]];
    const int8_t *t2 = dk_lpcnet_tables[2][codes[2]];
    for (uint32_t i = 0; i < 3 * DK_LPCNET_A; i++) {
        sums[i] = gates[i] + dk_lpcnet_table_scale[i] * (t0[i] + t1[i] + t2[i]);
    }
}

void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x,
                       const int32_t *from, int32_t *sums)
{
    const dk_lpcnet_number *w = matrix->weights;
    const uint8_t *index = matrix->index;
    for (uint32_t top = 0; top < matrix->rows; top += 2 * ROWS) {
        const uint32_t count = *index++;
        for (uint32_t half = top; half < top + 2 * ROWS; half += ROWS) {
            int32_t acc[ROWS] = {from[half], from[half + 1], from[half + 2], from[half + 3]};
            for (uint32_t i = 0; i < count; i++) {
                const dk_lpcnet_number *in = x + (uint32_t)COLS * index[i];
                for (int row = 0; row < ROWS; row++, w += COLS) {
                    acc[row] += w[0] * in[0] + w[1] * in[1] + w[2] * in[2] + w[3] * in[3];
                }
            }
            for (uint32_t row = 0; row < ROWS; row++) {
                sums[half + row] = acc[row];
            }
        }
        index += count;
    }
}

void dk_lpcnet_update(const int32_t *sums, const int32_t *kept, uint32_t units, int16_t *state,
                      dk_lpcnet_number *x)
{
    for (uint32_t i = 0; i < units; i++) {
        const int32_t z = (1 << 14) + (dk_lpcnet_tanh_of(sums[i], TANH_SHIFT + 1) >> 1);
        const int32_t r = (1 << 14) + (dk_lpcnet_tanh_of(sums[units + i], TANH_SHIFT + 1) >> 1);
        const int32_t of_state = (int32_t)((int64_t)kept[i] * r >> 16);
        const int32_t h = dk_lpcnet_tanh_of(sums[2 * units + i] + 2 * of_state, TANH_SHIFT);
        const int32_t now = h + ((state[i] - h) * z >> 15);
        const int32_t narrow = (now + (1 << 7)) >> 8;
        state[i] = (int16_t)now;
        x[i] = (dk_lpcnet_number)(narrow < 127 ? narrow : 127);
    }
}

void dk_lpcnet_node(uint32_t node, const int16_t state[DK_LPCNET_B], int32_t sums[2])
{
    for (int k = 0; k < 2; k++) {
        sums[k] = dk_lpcnet_tree_bias[node][k];
        for (int i = 0; i < DK_LPCNET_B; i++) {
            sums[k] += dk_lpcnet_tree_weights[node][k][i] * state[i];
        }
    }
}

#endif
