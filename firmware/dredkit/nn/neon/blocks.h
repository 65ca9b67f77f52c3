// SPDX-License-Identifier: BSD-3-Clause
// Products of kept 8x4 blocks for NEON without dot products, two blocks at a time. The sum of two
// products fits an int16 because x is at least -127.
#ifndef DREDKIT_NEON_BLOCKS_H
#define DREDKIT_NEON_BLOCKS_H

#include <arm_neon.h>
#include <stdbool.h>

#include "nn/neon/lanes.h"

// The sums of eight rows: two lanes a row, each for the products of two inputs.
typedef struct {
    int32x4_t rows01;
    int32x4_t rows23;
    int32x4_t rows45;
    int32x4_t rows67;
} dk_block_sums;

// Return the products of two rows of two blocks, added to `sums` unless they are the first.
static inline int32x4_t dk_add_two_rows(int32x4_t sums, bool first, int8x8_t w0, int8x8_t x0,
                                        int8x8_t w1, int8x8_t x1)
{
    const int16x8_t products = vmlal_s8(vmull_s8(w0, x0), w1, x1);
    return first ? vpaddlq_s16(products) : vpadalq_s16(sums, products);
}

// Add the products of two blocks at *w. The first block's inputs are at *x, the second block's
// inputs steps[0] bytes further. *w moves on to the next block, *x to the next block's inputs.
static inline void dk_add_blocks(dk_block_sums *s, bool first, const int8_t **w,
                                 const uint8_t *steps, const int8_t **x, const dk_readable *all)
{
    const int8x16_t in0 = dk_four_bytes(x, steps[0], all);
    const int8x16_t in1 = dk_four_bytes(x, steps[1], all);
    const int8x8_t low0 = vget_low_s8(in0), high0 = vget_high_s8(in0);
    const int8x8_t low1 = vget_low_s8(in1), high1 = vget_high_s8(in1);
    const int8x16x2_t block0 = dk_next_s8(w), block1 = dk_next_s8(w);
    const int8x16_t a0 = block0.val[0], b0 = block0.val[1];
    const int8x16_t a1 = block1.val[0], b1 = block1.val[1];
    s->rows01 = dk_add_two_rows(s->rows01, first, vget_low_s8(a0), low0, vget_low_s8(a1), low1);
    s->rows23 = dk_add_two_rows(s->rows23, first, vget_high_s8(a0), high0, vget_high_s8(a1), high1);
    s->rows45 = dk_add_two_rows(s->rows45, first, vget_low_s8(b0), low0, vget_low_s8(b1), low1);
    s->rows67 = dk_add_two_rows(s->rows67, first, vget_high_s8(b0), high0, vget_high_s8(b1), high1);
}

#endif
