// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times int8 vector for NEON without dot products. The sum of two products fits an
// int16 because x is at least -127. So three instructions make 16 products: a widening
// multiplication, one that adds to it, and a sum of neighbours. Eight rows at once share each load
// of x.
//
// The packed table is one stream. For every eight rows it holds 16 columns of each row in turn,
// until all columns are there; then the rows' biases times 2^4, and their factors. Zeros fill up
// the last eight rows and the last 16 columns.
//
// In a sparse matrix the kept 8x4 blocks take the columns' place. Its index holds, for every eight
// rows, half the number of blocks and the first block's column divided by 4; then, for each block,
// the distance in bytes from its inputs to the next block's inputs. Added blocks of zeros make the
// number of blocks even and not zero, and split distances that do not fit a byte.
//
// toolkit/codegen/packing/neon.py has proved that 2^4 times any sum, bias included, is an int32.
// With factor = multiplier * 2^(27 - shift), one doubling and rounding multiplication of that value
// gives exactly (sum * multiplier + 2^(shift - 1)) >> shift. A matrix without this proof stays
// plain.
#include "dk_isa.h"

#if defined(DK_ISA_NEON) && !defined(DK_ISA_DOTPROD)

#include <arm_neon.h>
#include <string.h>

#include "nn/neon/blocks.h"
#include "nn/neon/lanes.h"
#include "nn/nn.h"
#include "nn/plain.h"

enum { ROWS = 8, COLS = 16, FOUR = 4, SUM_FRAC = 4 };

// Compute y[0 .. 7] from the sums of the rows. Returns what follows their biases and factors.
static inline const int8_t *requantise(const int8_t *w, int32x4_t upper, int32x4_t lower,
                                       int16_t *y)
{
    const int32_t *bias = (const int32_t *)(const void *)w;
    const int32_t *factor = bias + ROWS;
    const int32x4_t a = vmlaq_n_s32(vld1q_s32(bias), upper, 1 << SUM_FRAC);
    const int32x4_t b = vmlaq_n_s32(vld1q_s32(bias + 4), lower, 1 << SUM_FRAC);
    const int16x4_t low = vqmovn_s32(vqrdmulhq_s32(a, vld1q_s32(factor)));
    const int16x4_t high = vqmovn_s32(vqrdmulhq_s32(b, vld1q_s32(factor + 4)));
    vst1q_s16(y, vcombine_s16(low, high));
    return (const int8_t *)(factor + ROWS);
}

// Add 16 products of one row.
static inline int32x4_t add_row(int32x4_t sums, int8x16_t row, int8x16_t x)
{
    const int16x8_t first = vmull_s8(vget_low_s8(row), vget_low_s8(x));
    return vpadalq_s16(sums, vmlal_s8(first, vget_high_s8(row), vget_high_s8(x)));
}

// Add 16 products of each of eight rows.
static inline const int8_t *add_columns(int32x4_t sums[ROWS], const int8_t *w, const int8_t *x)
{
    const int8x16_t in = vld1q_s8(x);
    for (int row = 0; row < ROWS; row += 2) {
        const int8x16x2_t rows = dk_next_s8(&w);
        sums[row] = add_row(sums[row], rows.val[0], in);
        sums[row + 1] = add_row(sums[row + 1], rows.val[1], in);
    }
    return w;
}

// Compute y[0 .. 7] of eight dense rows. Returns the start of the next rows' table. `rest` holds
// the inputs after the last whole 16 columns, or is NULL if there are none.
static inline const int8_t *dense_rows(const int8_t *w, const int8_t *x, size_t whole,
                                       const int8_t *rest, int16_t *y)
{
    int32x4_t s[ROWS] = {vdupq_n_s32(0)};
    for (; whole > 0; whole--, x += COLS) {
        w = add_columns(s, w, x);
    }
    if (rest != NULL) {
        w = add_columns(s, w, rest);
    }
    const int32x4_t s01 = dk_add_neighbours(s[0], s[1]), s23 = dk_add_neighbours(s[2], s[3]);
    const int32x4_t s45 = dk_add_neighbours(s[4], s[5]), s67 = dk_add_neighbours(s[6], s[7]);
    return requantise(w, dk_add_neighbours(s01, s23), dk_add_neighbours(s45, s67), y);
}

static void dense(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    const int8_t *w = matrix->weights;
    const size_t whole = matrix->cols / COLS, over = matrix->cols % COLS;
    int8_t rest[COLS] = {0};
    memcpy(rest, x + whole * COLS, over);
    const int8_t *tail = over > 0 ? rest : NULL;
    size_t left = matrix->rows;
    for (; left >= ROWS; left -= ROWS) {
        w = dense_rows(w, x, whole, tail, y);
        y += ROWS;
    }
    if (left > 0) {
        int16_t last[ROWS];
        (void)dense_rows(w, x, whole, tail, last);
        memcpy(y, last, left * sizeof *y);
    }
}

// Compute y[0 .. 7] of eight rows with `twos` times two blocks; `twos` is at least 1. The first
// block's inputs are at x.
static inline const int8_t *sparse_rows(const int8_t *w, const uint8_t *steps, size_t twos,
                                        const int8_t *x, const dk_readable *all, int16_t *y)
{
    dk_block_sums s;
    dk_add_blocks(&s, true, &w, steps, &x, all);
    steps += 2;
    twos--;
    for (size_t left = twos / 4; left > 0; left--) {
        dk_add_blocks(&s, false, &w, steps, &x, all);
        dk_add_blocks(&s, false, &w, steps + 2, &x, all);
        dk_add_blocks(&s, false, &w, steps + 4, &x, all);
        dk_add_blocks(&s, false, &w, steps + 6, &x, all);
        steps += 8;
    }
    if ((twos & 2) != 0) {
        dk_add_blocks(&s, false, &w, steps, &x, all);
        dk_add_blocks(&s, false, &w, steps + 2, &x, all);
        steps += 4;
    }
    if ((twos & 1) != 0) {
        dk_add_blocks(&s, false, &w, steps, &x, all);
    }
    return requantise(w, dk_add_neighbours(s.rows01, s.rows23),
                      dk_add_neighbours(s.rows45, s.rows67), y);
}

static void sparse(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    const dk_readable *all = (const dk_readable *)x;
    for (const int16_t *end = y + matrix->rows; y < end; y += ROWS) {
        const size_t twos = index[0], first = index[1];
        w = sparse_rows(w, index + 2, twos, x + FOUR * first, all, y);
        index += 2 + 2 * twos;
    }
}

void dk_matvec8(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    if (matrix->bias != NULL) {
        dk_matvec8_plain(matrix, x, y);
    } else if (matrix->index == NULL) {
        dense(matrix, x, y);
    } else {
        sparse(matrix, x, y);
    }
}

#endif
