// SPDX-License-Identifier: BSD-3-Clause
// Portable int8 matrix times int8 vector, dense or sparse in 8x4 blocks, with plain tables.
#include "nn/plain.h"
#include "nn/fixed.h"
#include "nn/nn.h"

enum { BLOCK_ROWS = 8, BLOCK_COLS = 4 };

static void dense(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    const int8_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row++) {
        int32_t acc = matrix->bias[row];
        for (size_t col = 0; col < matrix->cols; col++) {
            acc += w[col] * x[col];
        }
        w += matrix->cols;
        y[row] = dk_requantise(acc, matrix->multiplier[row], matrix->shift[row]);
    }
}

static void sparse(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    for (size_t top = 0; top < matrix->rows; top += BLOCK_ROWS) {
        int32_t acc[BLOCK_ROWS];
        for (size_t row = 0; row < BLOCK_ROWS; row++) {
            acc[row] = matrix->bias[top + row];
        }
        for (size_t left = *index++; left > 0; left--) {
            const int8_t *in = x + (size_t)BLOCK_COLS * *index++;
            for (size_t row = 0; row < BLOCK_ROWS; row++) {
                acc[row] += w[0] * in[0] + w[1] * in[1] + w[2] * in[2] + w[3] * in[3];
                w += BLOCK_COLS;
            }
        }
        for (size_t row = 0; row < BLOCK_ROWS; row++) {
            const size_t out = top + row;
            y[out] = dk_requantise(acc[row], matrix->multiplier[out], matrix->shift[out]);
        }
    }
}

void dk_matvec8_plain(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    if (matrix->index == NULL) {
        dense(matrix, x, y);
    } else {
        sparse(matrix, x, y);
    }
}
