// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times int8 vector with integer Helium (Armv8.1-M MVE): 16 products an instruction.
#include <arm_mve.h>
#include <string.h>

#include "nn/fixed.h"
#include "nn/mve/requantise.h"
#include "nn/nn.h"

enum { BLOCK_ROWS = 8, BLOCK_COLS = 4, LANES = 16, ROWS_AT_ONCE = 4 };

// Four rows share each load of x, which makes five loads for four multiply-accumulates.
static void four_rows(const dk_matrix8 *matrix, const int8_t *x, size_t row, int16_t *y)
{
    const size_t cols = matrix->cols;
    const int8_t *w0 = matrix->weights + row * cols;
    const int8_t *w1 = w0 + cols;
    const int8_t *w2 = w1 + cols;
    const int8_t *w3 = w2 + cols;
    int32_t acc0 = matrix->bias[row];
    int32_t acc1 = matrix->bias[row + 1];
    int32_t acc2 = matrix->bias[row + 2];
    int32_t acc3 = matrix->bias[row + 3];
    size_t col = 0;
    for (; col + LANES <= cols; col += LANES) {
        const int8x16_t in = vldrbq_s8(x + col);
        acc0 = vmladavaq_s8(acc0, in, vldrbq_s8(w0 + col));
        acc1 = vmladavaq_s8(acc1, in, vldrbq_s8(w1 + col));
        acc2 = vmladavaq_s8(acc2, in, vldrbq_s8(w2 + col));
        acc3 = vmladavaq_s8(acc3, in, vldrbq_s8(w3 + col));
    }
    if (col < cols) {
        // Lanes beyond the row are neither read nor counted.
        const mve_pred16_t tail = vctp8q((uint32_t)(cols - col));
        const int8x16_t in = vldrbq_z_s8(x + col, tail);
        acc0 = vmladavaq_s8(acc0, in, vldrbq_z_s8(w0 + col, tail));
        acc1 = vmladavaq_s8(acc1, in, vldrbq_z_s8(w1 + col, tail));
        acc2 = vmladavaq_s8(acc2, in, vldrbq_z_s8(w2 + col, tail));
        acc3 = vmladavaq_s8(acc3, in, vldrbq_z_s8(w3 + col, tail));
    }
    const int32x4_t acc = {acc0, acc1, acc2, acc3};
    dk_requantise_rows(acc, matrix->multiplier + row, matrix->shift + row, y + row);
}

static void one_row(const dk_matrix8 *matrix, const int8_t *x, size_t row, int16_t *y)
{
    const int8_t *w = matrix->weights + row * matrix->cols;
    int32_t acc = matrix->bias[row];
    for (size_t col = 0; col < matrix->cols; col += LANES) {
        const mve_pred16_t inside = vctp8q((uint32_t)(matrix->cols - col));
        acc = vmladavaq_s8(acc, vldrbq_z_s8(x + col, inside), vldrbq_z_s8(w + col, inside));
    }
    y[row] = dk_requantise(acc, matrix->multiplier[row], matrix->shift[row]);
}

static void dense(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    size_t row = 0;
    for (; row + ROWS_AT_ONCE <= matrix->rows; row += ROWS_AT_ONCE) {
        four_rows(matrix, x, row, y);
    }
    for (; row < matrix->rows; row++) {
        one_row(matrix, x, row, y);
    }
}

// Add four rows by four columns of products, w * in, to one accumulator a row.
static int32x4_t add_products(int32x4_t acc, int8x16_t in, int8x16_t w)
{
    // Neighbouring columns first: 2 * 127 * 128 fits an int16.
    const int16x8_t pairs = vaddq_s16(vmullbq_int_s8(in, w), vmulltq_int_s8(in, w));
    return vaddq_s32(vaddq_s32(acc, vmovlbq_s16(pairs)), vmovltq_s16(pairs));
}

static void sparse(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    for (size_t top = 0; top < matrix->rows; top += BLOCK_ROWS) {
        int32x4_t upper = vldrwq_s32(matrix->bias + top);
        int32x4_t lower = vldrwq_s32(matrix->bias + top + BLOCK_ROWS / 2);
        for (size_t left = *index++; left > 0; left--) {
            uint32_t four;
            memcpy(&four, x + (size_t)BLOCK_COLS * *index++, sizeof four);
            const int8x16_t in = vreinterpretq_s8_u32(vdupq_n_u32(four));
            upper = add_products(upper, in, vldrbq_s8(w));
            lower = add_products(lower, in, vldrbq_s8(w + LANES));
            w += 2 * LANES;
        }
        const size_t middle = top + BLOCK_ROWS / 2;
        dk_requantise_rows(upper, matrix->multiplier + top, matrix->shift + top, y + top);
        dk_requantise_rows(lower, matrix->multiplier + middle, matrix->shift + middle, y + middle);
    }
}

void dk_matvec8(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    if (matrix->index == NULL) {
        dense(matrix, x, y);
    } else {
        sparse(matrix, x, y);
    }
}
