// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times several int8 vectors for NEON without dot products: some rows at a time for all
// vectors, so few that their weights stay in the first-level cache meanwhile. Sharing registers
// between vectors would only save loads, which cost no time on a core that issues them beside a
// multiplication. KEPT is half of the first-level cache of a Cortex-A7 or A53. The packed tables
// are the same as in matvec8.c.
#include "dk_isa.h"

#if defined(DK_ISA_NEON) && !defined(DK_ISA_DOTPROD)

#include "nn/nn.h"

enum { ROWS = 8, COLS = 16, TWO_BLOCKS = 64, TABLE_BYTES = 64, KEPT = 16384 };

// Take rows off a matrix: as many groups of eight as fit KEPT, but at least one.
static dk_matrix8 some_rows(dk_matrix8 *left)
{
    dk_matrix8 part = *left;
    const size_t dense_bytes = ROWS * COLS * ((part.cols + COLS - 1U) / COLS);
    size_t bytes = 0;
    size_t rows = 0;
    while (rows < left->rows) {
        const size_t more =
            TABLE_BYTES + (left->index == NULL ? dense_bytes : (size_t)TWO_BLOCKS * *left->index);
        if (rows > 0 && bytes + more > KEPT) {
            break;
        }
        bytes += more;
        rows += ROWS;
        left->index = left->index == NULL ? NULL : left->index + 2 + 2 * (size_t)*left->index;
    }
    part.rows = (uint16_t)(rows < left->rows ? rows : left->rows);
    left->rows = (uint16_t)(left->rows - part.rows);
    left->weights += bytes;
    return part;
}

void dk_matvec8_batch(const dk_matrix8 *matrix, size_t steps, const int8_t *x, size_t x_apart,
                      int16_t *y, ptrdiff_t y_apart)
{
    dk_matrix8 left = *matrix;
    while (left.rows > 0) {
        dk_matrix8 part = left;
        if (matrix->bias == NULL) {
            part = some_rows(&left);
        } else {
            left.rows = 0;  // plain tables are rare here: take all rows at once
        }
        for (size_t step = 0; step < steps; step++) {
            dk_matvec8(&part, x + step * x_apart, y + (ptrdiff_t)step * y_apart);
        }
        y += part.rows;
    }
}

#endif
