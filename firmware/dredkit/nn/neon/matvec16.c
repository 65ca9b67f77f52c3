// SPDX-License-Identifier: BSD-3-Clause
// int16 matrix times int16 vector with NEON: four products an instruction, four rows at once, which
// share each load of x.
#include "dk_isa.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>
#include <string.h>

#include "nn/fixed.h"
#include "nn/neon/lanes.h"
#include "nn/neon/requantise.h"
#include "nn/nn.h"

enum { LANES = 8, ROWS = 4 };

static inline int32x4_t add_eight(int32x4_t sums, int16x8_t row, int16x8_t x)
{
    sums = vmlal_s16(sums, vget_low_s16(row), vget_low_s16(x));
    return vmlal_s16(sums, vget_high_s16(row), vget_high_s16(x));
}

// Add the products of a row's next 16 columns.
static inline int32x4_t add_next(int32x4_t sums, const int16_t **w, int16x8x2_t x)
{
    const int16x8x2_t row = dk_next_s16(w);
    return add_eight(add_eight(sums, row.val[0], x.val[0]), row.val[1], x.val[1]);
}

static inline int32x4_t four_bytes(const uint8_t *bytes)
{
    uint32_t all;
    memcpy(&all, bytes, sizeof all);
    const uint8x8_t eight = vreinterpret_u8_u32(vdup_n_u32(all));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(eight))));
}

// Return the inputs after the last whole eight columns. They are in the upper lanes, as in a load
// of a row's last eight columns; the other lanes are zero.
static inline int16x8_t last_eight(const int16_t *x, size_t cols)
{
    const size_t rest = cols % LANES;
    int16_t last[LANES] = {0};
    memcpy(last + LANES - rest, x + cols - rest, rest * sizeof *x);
    return vld1q_s16(last);
}

static void four_rows(const dk_matrix16 *matrix, const int16_t *x, int16x8_t last, size_t row,
                      int16_t *y)
{
    const size_t cols = matrix->cols;
    const int16_t *w0 = matrix->weights + row * cols, *w1 = w0 + cols;
    const int16_t *w2 = w1 + cols, *w3 = w2 + cols;
    int32x4_t s0 = vdupq_n_s32(0), s1 = s0, s2 = s0, s3 = s0;
    for (size_t left = cols / (2 * LANES); left > 0; left--) {
        const int16x8x2_t in = dk_next_s16(&x);
        s0 = add_next(s0, &w0, in);
        s1 = add_next(s1, &w1, in);
        s2 = add_next(s2, &w2, in);
        s3 = add_next(s3, &w3, in);
    }
    if (cols % (2 * LANES) >= LANES) {
        const int16x8_t in = vld1q_s16(x);
        s0 = add_eight(s0, vld1q_s16(w0), in);
        s1 = add_eight(s1, vld1q_s16(w1), in);
        s2 = add_eight(s2, vld1q_s16(w2), in);
        s3 = add_eight(s3, vld1q_s16(w3), in);
    }
    if (cols % LANES > 0) {
        const int16_t *end = matrix->weights + (row + 1) * cols - LANES;  // of the first row
        s0 = add_eight(s0, vld1q_s16(end), last);
        s1 = add_eight(s1, vld1q_s16(end + cols), last);
        s2 = add_eight(s2, vld1q_s16(end + 2 * cols), last);
        s3 = add_eight(s3, vld1q_s16(end + 3 * cols), last);
    }
    const int32x4_t sums = dk_add_neighbours(dk_add_neighbours(s0, s1), dk_add_neighbours(s2, s3));
    const dk_requantiser by = dk_requantiser_of(vmovl_s16(vld1_s16(matrix->multiplier + row)),
                                                four_bytes(matrix->shift + row));
    const int32x4_t acc = vaddq_s32(sums, vld1q_s32(matrix->bias + row));
    vst1_s16(y + row, dk_requantise_four(acc, by));
}

static void one_row(const dk_matrix16 *matrix, const int16_t *x, size_t row, int16_t *y)
{
    const int16_t *w = matrix->weights + row * matrix->cols;
    int32_t acc = matrix->bias[row];
    for (size_t col = 0; col < matrix->cols; col++) {
        acc += (int32_t)w[col] * x[col];
    }
    y[row] = dk_requantise(acc, matrix->multiplier[row], matrix->shift[row]);
}

void dk_matvec16(const dk_matrix16 *matrix, const int16_t *x, int16_t *y)
{
    size_t row = 0;
    if (matrix->cols >= LANES) {
        const int16x8_t last = last_eight(x, matrix->cols);
        for (; row + ROWS <= matrix->rows; row += ROWS) {
            four_rows(matrix, x, last, row, y);
        }
    }
    for (; row < matrix->rows; row++) {
        one_row(matrix, x, row, y);
    }
}

#endif
