// SPDX-License-Identifier: BSD-3-Clause
// LPCNet's sample loop with integer Helium: sixteen products an instruction.
#include "vocoder/lpcnet_cells.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

#include "vocoder/lpcnet_logit.h"

enum { ROWS = 8, CHUNK = 4, LANES = 16, TANH_SHIFT = DK_LPCNET_FRAC - DK_LPCNET_TANH_FRAC };

static inline int16x8_t three(const int8_t *t0, const int8_t *t1, const int8_t *t2)
{
    return vaddq_s16(vaddq_s16(vldrbq_s16(t0), vldrbq_s16(t1)), vldrbq_s16(t2));
}

void dk_lpcnet_look_up(const dk_lpcnet_cells *cells, const uint8_t codes[DK_LPCNET_HEARD],
                       const int32_t *gates, int32_t *sums)
{
    const int8_t *t0 = cells->tables[0][codes[0]];
    const int8_t *t1 = cells->tables[1][codes[1]];
    const int8_t *t2 = cells->tables[2][codes[2]];
    const int16_t *scales = cells->table_scale;
    for (uint32_t i = 0; i < 3 * DK_LPCNET_A; i += 8) {
        const int16x8_t added = three(t0 + i, t1 + i, t2 + i);
        const int16x8_t scale = vldrhq_s16(scales + i);
        int32x4x2_t lanes = vld2q_s32(gates + i);  // val[0]: even places; val[1]: odd places
        lanes.val[0] = vaddq_s32(lanes.val[0], vmullbq_int_s16(added, scale));
        lanes.val[1] = vaddq_s32(lanes.val[1], vmulltq_int_s16(added, scale));
        vst2q_s32(sums + i, lanes);
    }
}

void dk_lpcnet_copy(const int32_t *from, uint32_t count, int32_t *to)
{
    for (uint32_t i = 0; i < count; i += 4) {
        vstrwq_s32(to + i, vldrwq_s32(from + i));
    }
}

void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x, int32_t *sums)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    for (const int32_t *last = sums + matrix->rows; sums < last; sums += ROWS) {
        int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
        int32_t s4 = sums[4], s5 = sums[5], s6 = sums[6], s7 = sums[7];
        for (uint32_t left = *index++; left > 0; left--, index += CHUNK, w += ROWS * LANES) {
            const uint32x4_t blocks = vldrbq_u32(index);
            const uint32_t *words = (const uint32_t *)(const void *)x;
            const int8x16_t in =
                vreinterpretq_s8_u32(vldrwq_gather_shifted_offset_u32(words, blocks));
            s0 = vmladavaq_s8(s0, in, vldrbq_s8(w));
            s1 = vmladavaq_s8(s1, in, vldrbq_s8(w + LANES));
            s2 = vmladavaq_s8(s2, in, vldrbq_s8(w + 2 * LANES));
            s3 = vmladavaq_s8(s3, in, vldrbq_s8(w + 3 * LANES));
            s4 = vmladavaq_s8(s4, in, vldrbq_s8(w + 4 * LANES));
            s5 = vmladavaq_s8(s5, in, vldrbq_s8(w + 5 * LANES));
            s6 = vmladavaq_s8(s6, in, vldrbq_s8(w + 6 * LANES));
            s7 = vmladavaq_s8(s7, in, vldrbq_s8(w + 7 * LANES));
        }
        sums[0] = s0;
        sums[1] = s1;
        sums[2] = s2;
        sums[3] = s3;
        sums[4] = s4;
        sums[5] = s5;
        sums[6] = s6;
        sums[7] = s7;
    }
}

// Read a table at four pre-activations, which are given in the table's steps.
static inline int32x4_t read_table(const int16_t *table, int32x4_t step)
{
    const int32x4_t low = vdupq_n_s32(-DK_LPCNET_TANH_HALF);
    const int32x4_t high = vdupq_n_s32(DK_LPCNET_TANH_HALF - 1);
    const int32x4_t inside = vmaxq_s32(vminq_s32(step, high), low);
    const uint32x4_t place = vreinterpretq_u32_s32(vaddq_n_s32(inside, DK_LPCNET_TANH_HALF));
    return vldrhq_gather_shifted_offset_s32(table, place);
}

void dk_lpcnet_update(const int32_t *sums, const int32_t *kept, uint32_t units, int16_t *state,
                      dk_lpcnet_number *x)
{
    for (uint32_t i = 0; i < units; i += 4) {
        const int32x4_t for_z = vshrq_n_s32(vldrwq_s32(sums + i), TANH_SHIFT + 1);
        const int32x4_t for_r = vshrq_n_s32(vldrwq_s32(sums + units + i), TANH_SHIFT + 1);
        const int32x4_t z = read_table(dk_lpcnet_sigmoid, for_z);
        const int32x4_t r = read_table(dk_lpcnet_sigmoid, for_r);
        const int32x4_t of_state = vmulhq_s32(vldrwq_s32(kept + i), vshlq_n_s32(r, 16));
        const int32x4_t heard = vldrwq_s32(sums + 2 * units + i);
        const int32x4_t for_h = vaddq_s32(heard, vshlq_n_s32(of_state, 1));
        const int32x4_t h = read_table(dk_lpcnet_tanh, vshrq_n_s32(for_h, TANH_SHIFT));
        const int32x4_t change = vmulq_s32(vsubq_s32(vldrhq_s32(state + i), h), z);
        const int32x4_t now = vaddq_s32(h, vshrq_n_s32(change, 15));
        vstrhq_s32(state + i, now);
        vstrbq_s32(x + i, vminq_s32(vrshrq_n_s32(now, 8), vdupq_n_s32(127)));
    }
}

int16_t dk_lpcnet_logit(const dk_lpcnet_cells *cells, uint32_t node,
                        const int16_t state[DK_LPCNET_B])
{
    int32_t s0 = cells->tree_bias[node][0], s1 = cells->tree_bias[node][1];
    for (uint32_t i = 0; i < DK_LPCNET_B; i += 8) {
        const int16x8_t in = vldrhq_s16(state + i);
        s0 = vmladavaq_s16(s0, in, vldrhq_s16(cells->tree_weights[node][0] + i));
        s1 = vmladavaq_s16(s1, in, vldrhq_s16(cells->tree_weights[node][1] + i));
    }
    return dk_lpcnet_logit_of(s0, s1, cells->tree_scale[node]);
}

#endif
