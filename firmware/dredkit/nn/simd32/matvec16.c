// SPDX-License-Identifier: BSD-3-Clause
// int16 matrix times int16 vector with SIMD32: two products an instruction and four rows at once,
// which share each load of x. It is written in assembly because gcc 12 runs out of registers.
#include "dk_isa.h"

#if defined(DK_ISA_SIMD32)

#include "nn/nn.h"
#include "nn/simd32/requantise.h"

enum { ROWS = 4 };

typedef struct {
    const int16_t *row0, *row1, *row2, *row3;
} row_pointers;

typedef struct {
    int32_t of[ROWS];
} row_sums;

// clang-format off
#define ADD_PAIRS(row, sum) \
    "ldr %[w], [%[" row "]], #4\n\t" \
    "smlad %[" sum "], %[w], %[in], %[" sum "]\n\t"
#define ADD_COLUMNS \
    "ldr %[in], [%[x]], #4\n\t" \
    ADD_PAIRS("w0", "s0") \
    ADD_PAIRS("w1", "s1") \
    ADD_PAIRS("w2", "s2") \
    ADD_PAIRS("w3", "s3")

// Return the sums over four columns at a time, `quads` times. *x and the row pointers move on.
static __attribute__((noinline)) row_sums products(row_pointers *w, const int16_t **x, size_t quads)
{
    row_sums sums = {{0}};
    int32_t in, one;
    __asm__ volatile(
        "1:\n\t"
        ADD_COLUMNS
        ADD_COLUMNS
        "subs %[n], #1\n\t"
        "bne 1b\n\t"
        : [s0] "+&r"(sums.of[0]), [s1] "+&r"(sums.of[1]), [s2] "+&r"(sums.of[2]),
          [s3] "+&r"(sums.of[3]), [w0] "+&r"(w->row0), [w1] "+&r"(w->row1), [w2] "+&r"(w->row2),
          [w3] "+&r"(w->row3), [x] "+&r"(*x), [n] "+&r"(quads), [in] "=&r"(in), [w] "=&r"(one)
        :
        : "cc", "memory");
    return sums;
}
// clang-format on

// Return the sums of four rows. The last rows may be the same.
static row_sums four_rows(row_pointers w, const int16_t *x, size_t cols)
{
    row_sums sums = {{0}};
    if (cols >= 4) {
        sums = products(&w, &x, cols / 4);
    }
    for (size_t i = 0; i < cols % 4; i++) {
        sums.of[0] += w.row0[i] * x[i];
        sums.of[1] += w.row1[i] * x[i];
        sums.of[2] += w.row2[i] * x[i];
        sums.of[3] += w.row3[i] * x[i];
    }
    return sums;
}

void dk_matvec16(const dk_matrix16 *matrix, const int16_t *x, int16_t *y)
{
    const size_t rows = matrix->rows, cols = matrix->cols;
    const int16_t *w = matrix->weights;
    for (size_t row = 0; row < rows; row += ROWS, w += ROWS * cols) {
        const size_t left = rows - row < ROWS ? rows - row : ROWS;
        const row_pointers four = {w, w + (left > 1 ? cols : 0), w + (left > 2 ? 2 * cols : 0),
                                   w + (left > 3 ? 3 * cols : 0)};
        const row_sums sums = four_rows(four, x, cols);
        for (size_t i = row; i < row + left; i++) {
            const dk_requantiser by = dk_requantiser_of(matrix->multiplier[i], matrix->shift[i]);
            y[i] = dk_requantised(matrix->bias[i] + sums.of[i - row], by);
        }
    }
}

#endif
