// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times several int8 vectors with the DSP instructions of Armv7E-M and Armv8-M: one
// pass over the weights serves two vectors, four rows at once. The packed tables, the proof and the
// arithmetic are the same as in matvec8.c. A word of weights is loaded and unpacked once for both
// vectors.
//
// There are registers for eight sums and six more values, so inputs are loaded twice for four rows.
// Inputs are in fast memory; weights may not be.
#include "dk_isa.h"

#if defined(DK_ISA_SIMD32)

#include <arm_acle.h>
#include <stdbool.h>
#include <string.h>

#include "nn/nn.h"
#include "nn/scratch.h"

// Wider inputs are multiplied one vector at a time.
enum { ROWS = 4, COLS = 4, BLOCK_ROWS = 8, MOST_COLS = 640, MOST_QUADS = MOST_COLS / COLS };

// Four inputs of both vectors: their even pairs, then their odd pairs.
typedef struct {
    int16x2_t even[2];
    int16x2_t odd[2];
} input_quad;

// Pair up the inputs of two vectors. Zeros fill up the last four.
static void pair_up(const int8_t *x0, const int8_t *x1, size_t cols, input_quad *quads)
{
    const int8_t *x[2] = {x0, x1};
    uint32_t high_bytes = 0xFF00FF00U;
    __asm__("" : "+&r"(high_bytes));  // in a register, so that the AND includes the shift
    for (size_t col = 0; col < cols; col += COLS, quads++) {
        for (size_t i = 0; i < 2; i++) {
            uint32_t four = 0;
            if (cols - col >= COLS) {
                memcpy(&four, x[i] + col, sizeof four);
            } else {
                memcpy(&four, x[i] + col, cols - col);
            }
            const int16x2_t times_256 = (int16x2_t)(high_bytes & (four << 8));
            __asm__("sxtb16 %0, %1, ror #8" : "=r"(quads->odd[i]) : "r"(four));
            quads->even[i] = __ssub16(times_256, quads->odd[i]);
        }
    }
}

// The layout is one instruction a line.
// clang-format off

// Sums are in r0 .. r3 for the first vector, in r4, r5, r6 and r8 for the second.
#define LOAD_BIASES \
    "ldmia %[w]!, {r0, r1, r2, r3}\n\t" \
    "mov r4, r0\n\t" \
    "mov r5, r1\n\t" \
    "mov r6, r2\n\t" \
    "mov r8, r3\n\t"
#define ADD(sum, weights, pair) "smlad " sum ", %[" weights "], %[" pair "], " sum "\n\t"
// Add the products of two rows; `next` moves x on after them.
#define ADD_TWO_ROWS(a0, b0, a1, b1, next) \
    "ldrd %[s], %[t], [%[w]], #8\n\t" \
    "ldrd %[p], %[q], [%[x], #8]\n\t" \
    ADD(a0, "s", "p") \
    ADD(b0, "s", "q") \
    "sxtb16 %[s], %[s]\n\t" \
    ADD(a1, "t", "p") \
    ADD(b1, "t", "q") \
    "ldrd %[p], %[q], [%[x]]" next "\n\t" \
    "sxtb16 %[t], %[t]\n\t" \
    ADD(a0, "s", "p") \
    ADD(b0, "s", "q") \
    ADD(a1, "t", "p") \
    ADD(b1, "t", "q")
#define NEXT_COLUMNS \
    ADD_TWO_ROWS("r0", "r4", "r1", "r5", "") \
    ADD_TWO_ROWS("r2", "r6", "r3", "r8", ", #16")
#define UNTIL(end) \
    "ldr %[s], %[" end "]\n\t" \
    "cmp %[x], %[s]\n\t"
#define SCALE(a, b, factor) \
    "smmulr " a ", " a ", %[" factor "]\n\t" \
    "smmulr " b ", " b ", %[" factor "]\n\t" \
    "ssat " a ", #16, " a "\n\t" \
    "ssat " b ", #16, " b "\n\t"
// The results replace the factors: the first vector's are in s and t, the second's in p and q.
#define REQUANTISE \
    "ldrd %[s], %[t], [%[w]], #8\n\t" \
    "ldrd %[p], %[q], [%[w]], #8\n\t" \
    SCALE("r0", "r4", "s") \
    SCALE("r1", "r5", "t") \
    SCALE("r2", "r6", "p") \
    SCALE("r3", "r8", "q") \
    "pkhbt %[s], r0, r1, lsl #16\n\t" \
    "pkhbt %[t], r2, r3, lsl #16\n\t" \
    "pkhbt %[p], r4, r5, lsl #16\n\t" \
    "pkhbt %[q], r6, r8, lsl #16\n\t"

// Compute y[0 .. 3] of four rows for both vectors. Returns the start of the next rows' table.
static __attribute__((noinline)) const int8_t *four_rows(const int8_t *w, const input_quad *x,
                                                         size_t quads, int16_t y[2][ROWS])
{
    const input_quad *const end = x + quads, *const whole = x + quads / 4 * 4;
    int16x2_t s, t, p, q;
    DK_WORD(r0);
    DK_WORD(r1);
    DK_WORD(r2);
    DK_WORD(r3);
    DK_WORD(r4);
    DK_WORD(r5);
    DK_WORD(r6);
    DK_WORD(r8);
    __asm__ volatile(
        LOAD_BIASES
        UNTIL("whole")
        "beq 2f\n"
        "1:\n\t"
        NEXT_COLUMNS NEXT_COLUMNS NEXT_COLUMNS NEXT_COLUMNS
        UNTIL("whole")
        "bne 1b\n"
        "2:\n\t"
        UNTIL("end")
        "beq 4f\n"
        "3:\n\t"
        NEXT_COLUMNS
        UNTIL("end")
        "bne 3b\n"
        "4:\n\t"
        REQUANTISE
        : [w] "+&r"(w), [x] "+&r"(x), [s] "=&r"(s), [t] "=&r"(t), [p] "=&r"(p), [q] "=&r"(q),
          DK_WRITES(r0), DK_WRITES(r1), DK_WRITES(r2), DK_WRITES(r3), DK_WRITES(r4), DK_WRITES(r5),
          DK_WRITES(r6), DK_WRITES(r8)
        : [whole] "m"(whole), [end] "m"(end)
        : "cc", "memory");
    memcpy(y[0], &s, sizeof s);
    memcpy(y[0] + 2, &t, sizeof t);
    memcpy(y[1], &p, sizeof p);
    memcpy(y[1] + 2, &q, sizeof q);
    return w;
}
// clang-format on

// Copy the first `count` of four rows' results to their places.
static void put(int16_t found[2][ROWS], size_t count, int16_t *y, ptrdiff_t y_apart)
{
    memcpy(y, found[0], count * sizeof *y);
    memcpy(y + y_apart, found[1], count * sizeof *y);
}

static void dense(const dk_matrix8 *matrix, const input_quad *x, int16_t *y, ptrdiff_t y_apart)
{
    const int8_t *w = matrix->weights;
    const size_t quads = (matrix->cols + COLS - 1U) / COLS;
    int16_t found[2][ROWS];
    for (size_t row = 0; row < matrix->rows; row += ROWS) {
        const size_t left = matrix->rows - row;
        w = four_rows(w, x, quads, found);
        put(found, left < ROWS ? left : ROWS, y + row, y_apart);
    }
}

// The inputs of a group of blocks are gathered first, so its eight rows read them in sequence.
static void sparse(const dk_matrix8 *matrix, const input_quad *x, int16_t *y, ptrdiff_t y_apart)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    input_quad kept[MOST_QUADS];
    int16_t found[2][ROWS];
    for (size_t row = 0; row < matrix->rows; row += BLOCK_ROWS) {
        const size_t blocks = *index++;
        for (size_t i = 0; i < blocks; i++) {
            kept[i] = x[*index++];
        }
        for (size_t half = 0; half < BLOCK_ROWS; half += ROWS) {
            w = four_rows(w, kept, blocks, found);
            put(found, ROWS, y + row + half, y_apart);
        }
    }
}

// Handles 2 vectors. Kept out of line so that its buffers do not enlarge the single-vector path's
// stack frame.
static __attribute__((noinline)) void two_vectors(const dk_matrix8 *matrix, const int8_t *x,
                                                  size_t x_apart, int16_t *y, ptrdiff_t y_apart)
{
    input_quad quads[MOST_QUADS];
    pair_up(x, x + x_apart, matrix->cols, quads);
    if (matrix->index == NULL) {
        dense(matrix, quads, y, y_apart);
    } else {
        sparse(matrix, quads, y, y_apart);
    }
}

void dk_matvec8_batch(const dk_matrix8 *matrix, size_t steps, const int8_t *x, size_t x_apart,
                      int16_t *y, ptrdiff_t y_apart)
{
    const bool in_twos = matrix->bias == NULL && matrix->cols <= MOST_COLS;
    while (steps > 0) {
        const size_t now = in_twos && steps >= 2 ? 2 : 1;
        if (now == 2) {
            two_vectors(matrix, x, x_apart, y, y_apart);
        } else {
            dk_matvec8(matrix, x, y);
        }
        x += now * x_apart;
        y += (ptrdiff_t)now * y_apart;
        steps -= now;
    }
}

#endif
