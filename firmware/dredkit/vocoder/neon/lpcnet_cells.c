// SPDX-License-Identifier: BSD-3-Clause
// The products, gates and tree of LPCNet's sample loop with NEON, eight values at once. The rest of
// the loop is in c/lpcnet_cells.c, which the compiler vectorises.
#include "vocoder/lpcnet_cells.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

#include "nn/fixed.h"
#include "nn/neon/blocks.h"

enum {
    LANES = 8,
    ROWS = 8,
    COLS = 4,
    // The upper 11 bits of a saturated int16 are a place in a table; so many bits lie below.
    BELOW = 5,
    TANH_SHIFT = DK_LPCNET_FRAC - DK_LPCNET_TANH_FRAC - BELOW,
    SIGMOID_SHIFT = TANH_SHIFT + 1,
};

#if !defined(DK_ISA_DOTPROD)
void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x, int32_t *sums)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    const dk_readable *all = (const dk_readable *)x;
    for (const int32_t *last = sums + matrix->rows; sums < last; sums += ROWS) {
        const uint32_t more = index[0] - 1U;
        const int8_t *in = x + (uint32_t)COLS * index[1];
        dk_block_sums s;
        dk_add_blocks(&s, true, &w, index + 2, &in, all);
        index += 4;
        if (more % 2 > 0) {
            dk_add_blocks(&s, false, &w, index, &in, all);
            index += 2;
        }
#pragma GCC unroll 1
        for (uint32_t left = more / 2; left > 0; left--) {
            dk_add_blocks(&s, false, &w, index, &in, all);
            dk_add_blocks(&s, false, &w, index + 2, &in, all);
            index += 4;
        }
        const int32x4_t upper = dk_add_neighbours(s.rows01, s.rows23);
        const int32x4_t lower = dk_add_neighbours(s.rows45, s.rows67);
        vst1q_s32(sums, vaddq_s32(vld1q_s32(sums), upper));
        vst1q_s32(sums + 4, vaddq_s32(vld1q_s32(sums + 4), lower));
    }
}
#endif

// Read a table at eight pre-activations, which have `shift` + BELOW more fractional bits than the
// table's steps.
static inline int16x8_t read_table(const int16_t table[2 * DK_LPCNET_TANH_HALF], int32x4_t low,
                                   int32x4_t high, int shift)
{
    const int32x4_t down = vdupq_n_s32(-shift);
    const int16x4_t first = vqmovn_s32(vqshlq_s32(low, down));
    const int16x4_t second = vqmovn_s32(vqshlq_s32(high, down));
    const int16x8_t places = vshrq_n_s16(vcombine_s16(first, second), BELOW);
    const int16_t *zero = table + DK_LPCNET_TANH_HALF;
    int16x8_t found = vdupq_n_s16(zero[vgetq_lane_s16(places, 0)]);
    found = vld1q_lane_s16(zero + vgetq_lane_s16(places, 1), found, 1);
    found = vld1q_lane_s16(zero + vgetq_lane_s16(places, 2), found, 2);
    found = vld1q_lane_s16(zero + vgetq_lane_s16(places, 3), found, 3);
    found = vld1q_lane_s16(zero + vgetq_lane_s16(places, 4), found, 4);
    found = vld1q_lane_s16(zero + vgetq_lane_s16(places, 5), found, 5);
    found = vld1q_lane_s16(zero + vgetq_lane_s16(places, 6), found, 6);
    return vld1q_lane_s16(zero + vgetq_lane_s16(places, 7), found, 7);
}

// Return a candidate's pre-activation: `heard` plus twice kept * r >> 16.
static inline int32x4_t candidate(const int32_t *heard, const int32_t *kept, int16x4_t r)
{
    const int32x4_t of_state = vqdmulhq_s32(vld1q_s32(kept), vshll_n_s16(r, 15));
    return vaddq_s32(vld1q_s32(heard), vaddq_s32(of_state, of_state));
}

// Return (was - h) z >> 15, which may wrap around.
static inline uint16x4_t moved(int16x4_t h, int16x4_t was, int16x4_t z)
{
    return vreinterpret_u16_s16(vshrn_n_s32(vmlsl_s16(vmull_s16(was, z), h, z), 15));
}

void dk_lpcnet_update(const int32_t *sums, const int32_t *kept, uint32_t units, int16_t *state,
                      dk_lpcnet_number *x)
{
    const int32_t *for_r = sums + units, *for_h = for_r + units;
    for (uint32_t i = 0; i < units; i += LANES) {
        const int16x8_t z = read_table(dk_lpcnet_sigmoid, vld1q_s32(sums + i),
                                       vld1q_s32(sums + i + 4), SIGMOID_SHIFT);
        const int16x8_t r = read_table(dk_lpcnet_sigmoid, vld1q_s32(for_r + i),
                                       vld1q_s32(for_r + i + 4), SIGMOID_SHIFT);
        const int16x8_t h =
            read_table(dk_lpcnet_tanh, candidate(for_h + i, kept + i, vget_low_s16(r)),
                       candidate(for_h + i + 4, kept + i + 4, vget_high_s16(r)), TANH_SHIFT);
        const int16x8_t was = vld1q_s16(state + i);
        const uint16x8_t by =
            vcombine_u16(moved(vget_low_s16(h), vget_low_s16(was), vget_low_s16(z)),
                         moved(vget_high_s16(h), vget_high_s16(was), vget_high_s16(z)));
        const int16x8_t now = vreinterpretq_s16_u16(vaddq_u16(vreinterpretq_u16_s16(h), by));
        vst1q_s16(state + i, now);
        vst1_s8(x + i, vqrshrn_n_s16(now, 8));
    }
}

// Both halves of a node are computed side by side, up to the table look-ups.
int16_t dk_lpcnet_logit(const dk_lpcnet_cells *cells, uint32_t node,
                        const int16_t state[DK_LPCNET_B])
{
    int32x4_t s0 = vdupq_n_s32(0), s1 = s0;
    for (uint32_t i = 0; i < DK_LPCNET_B; i += LANES) {
        const int16x8_t in = vld1q_s16(state + i);
        const int16x8_t w0 = vld1q_s16(cells->tree_weights[node][0] + i);
        const int16x8_t w1 = vld1q_s16(cells->tree_weights[node][1] + i);
        s0 = vmlal_s16(s0, vget_low_s16(in), vget_low_s16(w0));
        s1 = vmlal_s16(s1, vget_low_s16(in), vget_low_s16(w1));
        s0 = vmlal_s16(s0, vget_high_s16(in), vget_high_s16(w0));
        s1 = vmlal_s16(s1, vget_high_s16(in), vget_high_s16(w1));
    }
    const int32x4_t quarters = dk_add_neighbours(s0, s1);
    const int32x2_t halves = vpadd_s32(vget_low_s32(quarters), vget_high_s32(quarters));
    const int32x2_t sums = vadd_s32(halves, vld1_s32(cells->tree_bias[node]));
    const int32x2_t steps = vshr_n_s32(sums, DK_LPCNET_TREE_FRAC - DK_LPCNET_TANH_FRAC);
    const int32x2_t least = vdup_n_s32(-DK_LPCNET_TANH_HALF);
    const int32x2_t places = vmax_s32(vmin_s32(steps, vdup_n_s32(DK_LPCNET_TANH_HALF - 1)), least);
    const int16_t *tanh = dk_lpcnet_tanh + DK_LPCNET_TANH_HALF;
    const int16_t *scale = cells->tree_scale[node];
    const int32_t logit =
        tanh[vget_lane_s32(places, 0)] * scale[0] + tanh[vget_lane_s32(places, 1)] * scale[1];
    return dk_saturate16((logit + (1 << (DK_LPCNET_LOGIT_SHIFT - 1))) >> DK_LPCNET_LOGIT_SHIFT);
}

#endif
