// SPDX-License-Identifier: BSD-3-Clause
// Portable int8 matrix times several int8 vectors. One pass over a plain table serves up to four
// vectors; a packed table takes one pass for each vector.
#include "dk_isa.h"

#if defined(DK_ISA_C)

#include "nn/fixed.h"
#include "nn/nn.h"

enum { BLOCK_ROWS = 8, BLOCK_COLS = 4, MOST = 4 };

// The input vectors, and the places of the results.
typedef struct {
    const int8_t *x;
    size_t x_apart;
    int16_t *y;
    ptrdiff_t y_apart;
} vector_set;

static inline void put(const dk_matrix8 *matrix, size_t row, int32_t acc, int16_t *y)
{
    y[row] = dk_requantise(acc, matrix->multiplier[row], matrix->shift[row]);
}

// Every call passes a constant `steps`, so the sums stay in registers.
static inline void dense(const dk_matrix8 *matrix, const vector_set *v, const size_t steps)
{
    const int8_t *w = matrix->weights;
    const int8_t *x = v->x;
    for (size_t row = 0; row < matrix->rows; row++) {
        int32_t acc[MOST] = {0};
        for (size_t col = 0; col < matrix->cols; col++) {
            for (size_t step = 0; step < steps; step++) {
                acc[step] += w[col] * x[step * v->x_apart + col];
            }
        }
        w += matrix->cols;
        for (size_t step = 0; step < steps; step++) {
            put(matrix, row, matrix->bias[row] + acc[step], v->y + (ptrdiff_t)step * v->y_apart);
        }
    }
}

static inline void sparse(const dk_matrix8 *matrix, const vector_set *v, const size_t steps)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    for (size_t top = 0; top < matrix->rows; top += BLOCK_ROWS) {
        int32_t acc[MOST][BLOCK_ROWS] = {{0}};
        for (size_t left = *index++; left > 0; left--) {
            const int8_t *in = v->x + (size_t)BLOCK_COLS * *index++;
            for (size_t row = 0; row < BLOCK_ROWS; row++) {
                for (size_t step = 0; step < steps; step++) {
                    const int8_t *four = in + step * v->x_apart;
                    acc[step][row] +=
                        w[0] * four[0] + w[1] * four[1] + w[2] * four[2] + w[3] * four[3];
                }
                w += BLOCK_COLS;
            }
        }
        for (size_t step = 0; step < steps; step++) {
            for (size_t row = 0; row < BLOCK_ROWS; row++) {
                put(matrix, top + row, matrix->bias[top + row] + acc[step][row],
                    v->y + (ptrdiff_t)step * v->y_apart);
            }
        }
    }
}

static inline void either(const dk_matrix8 *matrix, const vector_set *v, const size_t steps)
{
    if (matrix->index == NULL) {
        dense(matrix, v, steps);
    } else {
        sparse(matrix, v, steps);
    }
}

void dk_matvec8_batch(const dk_matrix8 *matrix, size_t steps, const int8_t *x, size_t x_apart,
                      int16_t *y, ptrdiff_t y_apart)
{
    vector_set v = {.x = x, .x_apart = x_apart, .y_apart = y_apart};
    v.y = y;
    while (steps > 0) {
        size_t now = matrix->bias == NULL ? 1 : steps < MOST ? steps : MOST;
        switch (now) {
            case MOST:
                either(matrix, &v, MOST);
                break;
            case 3:
                either(matrix, &v, 3);
                break;
            case 2:
                either(matrix, &v, 2);
                break;
            default:
                dk_matvec8(matrix, v.x, v.y);
        }
        v.x += now * x_apart;
        v.y += (ptrdiff_t)now * y_apart;
        steps -= now;
    }
}

#endif
