// SPDX-License-Identifier: BSD-3-Clause
// int16 matrix times int16 vector with integer Helium: eight products an instruction, four rows at
// once, which share each load of x. It is written in assembly because gcc 12 runs out of registers.
#include "dk_isa.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

#include "nn/fixed.h"
#include "nn/mve/requantise.h"
#include "nn/nn.h"
#include "nn/scratch.h"

enum { LANES = 8, ROWS = 4, WHOLE = 4 * LANES };

// Shared by all rows: x, the number of whole groups of 32 columns, the number of columns left, and
// the bytes of a row.
typedef struct {
    const int16_t *x;
    size_t whole, rest, bytes;
} row_shape;

// The layout is one instruction a line. Only even registers can hold a sum.
// clang-format off
#define ADD_ROW(row, sum) \
    "vldrh.u16 %q[q1], [%[" row "]], #16\n\t" \
    "vmladava.s16 " sum ", %q[q0], %q[q1]\n\t"
#define ADD_COLUMNS \
    "vldrh.u16 %q[q0], [%[x]], #16\n\t" \
    ADD_ROW("w0", "r0") \
    ADD_ROW("w1", "r2") \
    ADD_ROW("w2", "r4") \
    ADD_ROW("w3", "r6")

// Return the sums of four rows from w on. The second loop neither reads nor adds lanes beyond the
// rows' ends.
static inline int32x4_t four_rows(const row_shape *shape, const int16_t *w)
{
    const int16_t *w1, *w2, *w3, *x;
    int32x4_t sums, q0, q1;
    DK_WORD(r0);
    DK_WORD(r2);
    DK_WORD(r4);
    DK_WORD(r6);
    DK_WORD(lr);
    __asm__ volatile(
        "clrm {r0, r2, r4, r6}\n\t"
        "ldr %[x], [%[shape]]\n\t"
        "ldr lr, [%[shape], #12]\n\t"
        "add %[w1], %[w0], lr\n\t"
        "add %[w2], %[w1], lr\n\t"
        "add %[w3], %[w2], lr\n\t"
        "ldr lr, [%[shape], #4]\n\t"
        "wls lr, lr, 2f\n"
        "1:\n\t"
        ADD_COLUMNS
        ADD_COLUMNS
        ADD_COLUMNS
        ADD_COLUMNS
        "le lr, 1b\n"
        "2:\n\t"
        "ldr lr, [%[shape], #8]\n\t"
        "wlstp.16 lr, lr, 4f\n"
        "3:\n\t"
        ADD_COLUMNS
        "letp lr, 3b\n"
        "4:\n\t"
        "vmov %q[sums][2], %q[sums][0], r0, r4\n\t"
        "vmov %q[sums][3], %q[sums][1], r2, r6\n\t"
        : [w0] "+&r"(w), [w1] "=&r"(w1), [w2] "=&r"(w2), [w3] "=&r"(w3), [x] "=&r"(x),
          [sums] "=&w"(sums), [q0] "=&w"(q0), [q1] "=&w"(q1), DK_WRITES(r0), DK_WRITES(r2),
          DK_WRITES(r4), DK_WRITES(r6), DK_WRITES(lr)
        : [shape] "r"(shape)
        : "memory");
    return sums;
}
// clang-format on

static int16_t one_row(const dk_matrix16 *matrix, const int16_t *x, size_t row)
{
    const int16_t *w = matrix->weights + row * matrix->cols;
    int32_t acc = matrix->bias[row];
    for (size_t col = 0; col < matrix->cols; col += LANES) {
        const mve_pred16_t inside = vctp16q((uint32_t)(matrix->cols - col));
        acc = vmladavaq_s16(acc, vldrhq_z_s16(x + col, inside), vldrhq_z_s16(w + col, inside));
    }
    return dk_requantise(acc, matrix->multiplier[row], matrix->shift[row]);
}

void dk_matvec16(const dk_matrix16 *matrix, const int16_t *x, int16_t *y)
{
    const size_t cols = matrix->cols, rows = matrix->rows;
    const row_shape shape = {x, cols / WHOLE, cols % WHOLE, cols * sizeof *x};
    const int16_t *w = matrix->weights;
    const int32_t *bias = matrix->bias;
    const int16_t *multiplier = matrix->multiplier;
    const uint8_t *shift = matrix->shift;
    for (size_t left = rows / ROWS; left > 0; left--) {
        const int32x4_t sums = vaddq_s32(four_rows(&shape, w), vldrwq_s32(bias));
        dk_requantise_rows(sums, multiplier, shift, y);
        w += ROWS * cols;
        bias += ROWS;
        multiplier += ROWS;
        shift += ROWS;
        y += ROWS;
    }
    for (size_t row = rows - rows % ROWS; row < rows; row++) {
        *y++ = one_row(matrix, x, row);
    }
}

#endif
