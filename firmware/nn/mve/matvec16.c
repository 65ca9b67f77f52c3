// SPDX-License-Identifier: BSD-3-Clause
// int16 matrix times int16 vector with integer Helium: eight products an instruction, four rows at
// once, which share each load of x.
#include <arm_mve.h>

#include "nn/fixed.h"
#include "nn/mve/requantise.h"
#include "nn/nn.h"

enum { LANES = 8, ROWS = 4 };

static void four_rows(const dk_matrix16 *matrix, const int16_t *x, size_t row, int16_t *y)
{
    const size_t cols = matrix->cols;
    const int16_t *w0 = matrix->weights + row * cols;
    const int16_t *w1 = w0 + cols;
    const int16_t *w2 = w1 + cols;
    const int16_t *w3 = w2 + cols;
    int32_t acc0 = matrix->bias[row];
    int32_t acc1 = matrix->bias[row + 1];
    int32_t acc2 = matrix->bias[row + 2];
    int32_t acc3 = matrix->bias[row + 3];
    size_t col = 0;
    for (; col + LANES <= cols; col += LANES) {
        const int16x8_t in = vldrhq_s16(x + col);
        acc0 = vmladavaq_s16(acc0, in, vldrhq_s16(w0 + col));
        acc1 = vmladavaq_s16(acc1, in, vldrhq_s16(w1 + col));
        acc2 = vmladavaq_s16(acc2, in, vldrhq_s16(w2 + col));
        acc3 = vmladavaq_s16(acc3, in, vldrhq_s16(w3 + col));
    }
    if (col < cols) {
        // Lanes beyond the row are neither read nor counted.
        const mve_pred16_t tail = vctp16q((uint32_t)(cols - col));
        const int16x8_t in = vldrhq_z_s16(x + col, tail);
        acc0 = vmladavaq_s16(acc0, in, vldrhq_z_s16(w0 + col, tail));
        acc1 = vmladavaq_s16(acc1, in, vldrhq_z_s16(w1 + col, tail));
        acc2 = vmladavaq_s16(acc2, in, vldrhq_z_s16(w2 + col, tail));
        acc3 = vmladavaq_s16(acc3, in, vldrhq_z_s16(w3 + col, tail));
    }
    const int32x4_t acc = {acc0, acc1, acc2, acc3};
    dk_requantise_rows(acc, matrix->multiplier + row, matrix->shift + row, y + row);
}

static void one_row(const dk_matrix16 *matrix, const int16_t *x, size_t row, int16_t *y)
{
    const int16_t *w = matrix->weights + row * matrix->cols;
    int32_t acc = matrix->bias[row];
    for (size_t col = 0; col < matrix->cols; col += LANES) {
        const mve_pred16_t inside = vctp16q((uint32_t)(matrix->cols - col));
        acc = vmladavaq_s16(acc, vldrhq_z_s16(x + col, inside), vldrhq_z_s16(w + col, inside));
    }
    y[row] = dk_requantise(acc, matrix->multiplier[row], matrix->shift[row]);
}

void dk_matvec16(const dk_matrix16 *matrix, const int16_t *x, int16_t *y)
{
    size_t row = 0;
    for (; row + ROWS <= matrix->rows; row += ROWS) {
        four_rows(matrix, x, row, y);
    }
    for (; row < matrix->rows; row++) {
        one_row(matrix, x, row, y);
    }
}
