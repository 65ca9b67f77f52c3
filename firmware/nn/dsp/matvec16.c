// SPDX-License-Identifier: BSD-3-Clause
// int16 matrix times int16 vector, two products an instruction and two rows at once.
#include <arm_acle.h>

#include "nn/dsp/pairs.h"
#include "nn/dsp/requantise.h"
#include "nn/nn.h"

static inline int16_t finished(const dk_matrix16 *matrix, size_t row, int32_t acc)
{
    const dk_requantiser by = dk_requantiser_of(matrix->multiplier[row], matrix->shift[row]);
    return dk_requantised(acc, by);
}

void dk_matvec16(const dk_matrix16 *matrix, const int16_t *x, int16_t *y)
{
    const size_t cols = matrix->cols, pairs = cols / 2 * 2;
    const int16_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row += 2) {
        // The last row of an odd count is its own partner.
        const size_t partner = row + 1 < matrix->rows ? row + 1 : row;
        const int16_t *v = w + (partner - row) * cols;
        int32_t first = matrix->bias[row], second = matrix->bias[partner];
        for (size_t col = 0; col < pairs; col += 2) {
            const int16x2_t in = (int16x2_t)dk_pair(x + col);
            first = __smlad((int16x2_t)dk_pair(w + col), in, first);
            second = __smlad((int16x2_t)dk_pair(v + col), in, second);
        }
        if (pairs < cols) {
            first += w[pairs] * x[pairs];
            second += v[pairs] * x[pairs];
        }
        y[row] = finished(matrix, row, first);
        y[partner] = finished(matrix, partner, second);
        w += 2 * cols;
    }
}
