// SPDX-License-Identifier: BSD-3-Clause
// Portable int16 matrix times int16 vector.
#include "dk_isa.h"

#if defined(DK_ISA_C)

#include "nn/fixed.h"
#include "nn/nn.h"

void dk_matvec16(const dk_matrix16 *matrix, const int16_t *x, int16_t *y)
{
    const int16_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row++) {
        int32_t acc = matrix->bias[row];
        for (size_t col = 0; col < matrix->cols; col++) {
            acc += (int32_t)w[col] * x[col];
        }
        w += matrix->cols;
        y[row] = dk_requantise(acc, matrix->multiplier[row], matrix->shift[row]);
    }
}

#endif
