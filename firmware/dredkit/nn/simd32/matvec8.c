// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times int8 vector with the DSP instructions of Armv7E-M and Armv8-M: two products an
// instruction, four rows at once.
//
// A word of packed weights holds four neighbours w0 .. w3 of a row as two halfwords, 256 w1 + w0
// and 256 w3 + w2; SXTB16 extracts w0 and w2. With the inputs as the pairs
//     odd = (x1, x3)    even = (256 x0 - x1, 256 x2 - x3)
// one unpacking and two SMLAD add four products, all times 256:
//     (256 w1 + w0) x1 + w0 (256 x0 - x1) = 256 (w1 x1 + w0 x0).
// toolkit/codegen/packing/pack.py has proved that the whole sum, bias included, times 256 is an
// int32; intermediate sums may wrap around. A matrix without this proof stays plain.
//
// The packed table is one stream. For every four rows it holds their biases times 256; their
// weights, one word of each row in turn; and their factors, multiplier * 2^(24 - shift). One
// rounding multiplication of sum and factor gives exactly (sum * multiplier + 2^(shift - 1)) >>
// shift. Rows of zeros fill up the last four rows. A sparse matrix goes through the blocks of a
// group twice, first for the upper four rows and then for the lower four.
#include "dk_isa.h"

#if defined(DK_ISA_SIMD32)

#include <arm_acle.h>
#include <string.h>

#include "nn/nn.h"
#include "nn/plain.h"
#include "nn/scratch.h"

enum { ROWS = 4, COLS = 4, MOST_COLS = 1024 };

typedef struct {
    int16x2_t odd;
    int16x2_t even;
} input_pairs;

static inline input_pairs pairs_of(uint32_t x, uint32_t high_bytes)
{
    const int16x2_t times_256 = (int16x2_t)(high_bytes & (x << 8));  // x0 and x2
    int16x2_t odd;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(x));
    return (input_pairs){odd, __ssub16(times_256, odd)};
}

static void pair_up(const int8_t *x, size_t cols, input_pairs *pairs)
{
    uint32_t four, high_bytes = 0xFF00FF00U;
    __asm__("" : "+&r"(high_bytes));  // in a register, so that the AND includes the shift
#pragma GCC unroll 4
    for (const int8_t *end = x + cols / COLS * COLS; x < end; x += COLS) {
        memcpy(&four, x, sizeof four);
        *pairs++ = pairs_of(four, high_bytes);
    }
    if (cols % COLS > 0) {
        four = 0;
        memcpy(&four, x, cols % COLS);
        *pairs = pairs_of(four, high_bytes);
    }
}

// The layout is one instruction a line.
// clang-format off

// Sums are in r0 .. r3, weights in r4, r5, r6 and r8. Multiplications and unpacking alternate
// because some cores can do one of each in a cycle.
#define LOAD_BIASES "ldmia %[w]!, {r0, r1, r2, r3}\n\t"
#define ADD_PRODUCTS \
    "ldmia %[w]!, {r4, r5, r6, r8}\n\t" \
    "smlad r0, r4, %[odd], r0\n\t" \
    "sxtb16 r4, r4\n\t" \
    "smlad r1, r5, %[odd], r1\n\t" \
    "sxtb16 r5, r5\n\t" \
    "smlad r2, r6, %[odd], r2\n\t" \
    "sxtb16 r6, r6\n\t" \
    "smlad r3, r8, %[odd], r3\n\t" \
    "sxtb16 r8, r8\n\t" \
    "smlad r0, r4, %[even], r0\n\t" \
    "smlad r1, r5, %[even], r1\n\t" \
    "smlad r2, r6, %[even], r2\n\t" \
    "smlad r3, r8, %[even], r3\n\t"
#define NEXT_COLUMNS \
    "ldrd %[odd], %[even], [%[x]], #8\n\t" \
    ADD_PRODUCTS
#define NEXT_BLOCK \
    "ldrb %[odd], [%[index]], #1\n\t" \
    "add %[odd], %[x], %[odd], lsl #3\n\t" \
    "ldrd %[odd], %[even], [%[odd]]\n\t" \
    ADD_PRODUCTS
// The results replace a pair of inputs: y0 and y1 are in `odd`, y2 and y3 in `even`.
#define REQUANTISE \
    "ldmia %[w]!, {r4, r5, r6, r8}\n\t" \
    "smmulr r0, r0, r4\n\t" \
    "smmulr r1, r1, r5\n\t" \
    "smmulr r2, r2, r6\n\t" \
    "smmulr r3, r3, r8\n\t" \
    "ssat r0, #16, r0\n\t" \
    "ssat r1, #16, r1\n\t" \
    "ssat r2, #16, r2\n\t" \
    "ssat r3, #16, r3\n\t" \
    "pkhbt %[odd], r0, r1, lsl #16\n\t" \
    "pkhbt %[even], r2, r3, lsl #16\n\t"
#define REGISTERS \
    DK_WORD(r0); \
    DK_WORD(r1); \
    DK_WORD(r2); \
    DK_WORD(r3); \
    DK_WORD(r4); \
    DK_WORD(r5); \
    DK_WORD(r6); \
    DK_WORD(r8)
#define SCRATCH \
    DK_WRITES(r0), DK_WRITES(r1), DK_WRITES(r2), DK_WRITES(r3), DK_WRITES(r4), DK_WRITES(r5), \
    DK_WRITES(r6), DK_WRITES(r8)

// Compute y[0 .. 3] of four dense rows. Returns the start of the next rows' table.
static const int8_t *dense_rows(const int8_t *w, const input_pairs *x, size_t quads, int16_t *y)
{
    int16x2_t odd, even;
    REGISTERS;
    __asm__ volatile(
        LOAD_BIASES
        "subs %[n], #4\n\t"
        "blt 2f\n"
        "1:\n\t"
        NEXT_COLUMNS NEXT_COLUMNS NEXT_COLUMNS NEXT_COLUMNS
        "subs %[n], #4\n\t"
        "bge 1b\n"
        "2:\n\t"
        "adds %[n], #4\n\t"
        "beq 4f\n"
        "3:\n\t"
        NEXT_COLUMNS
        "subs %[n], #1\n\t"
        "bne 3b\n"
        "4:\n\t"
        REQUANTISE
        : [w] "+&r"(w), [x] "+&r"(x), [n] "+&r"(quads), [odd] "=&r"(odd), [even] "=&r"(even),
          SCRATCH
        :
        : "cc", "memory");
    memcpy(y, &odd, sizeof odd);
    memcpy(y + 2, &even, sizeof even);
    return w;
}

// Four rows of a group of blocks. If the number of blocks is odd, the loop starts in its middle.
#define HALF_GROUP \
    LOAD_BIASES \
    "subs %[odd], %[last], %[index]\n\t" \
    "beq 4f\n\t" \
    "lsls %[odd], %[odd], #31\n\t" \
    "bne 3f\n" \
    "2:\n\t" \
    NEXT_BLOCK \
    "3:\n\t" \
    NEXT_BLOCK \
    "cmp %[index], %[last]\n\t" \
    "bne 2b\n" \
    "4:\n\t" \
    REQUANTISE \
    "ldr r0, %[y]\n\t" \
    "str %[odd], [r0], #4\n\t" \
    "str %[even], [r0], #4\n\t" \
    "str r0, %[y]\n\t"

// Compute y[rows] of sparse rows.
static __attribute__((noinline)) void sparse_rows(const int8_t *w, const uint8_t *index,
                                                  const input_pairs *x, void *y, const void *end)
{
    const uint8_t *first, *last;  // the group's first column, and the end of its columns
    int16x2_t odd, even;
    REGISTERS;
    __asm__ volatile(
        "1:\n\t"
        "ldrb %[last], [%[index]], #1\n\t"
        "add %[last], %[index], %[last]\n\t"
        "str %[index], %[first]\n\t"
        HALF_GROUP
        "ldr %[index], %[first]\n\t"
        HALF_GROUP
        "ldr r1, %[end]\n\t"
        "cmp r0, r1\n\t"
        "blo 1b\n\t"
        : [w] "+&r"(w), [index] "+&r"(index), [last] "=&r"(last), [odd] "=&r"(odd),
          [even] "=&r"(even), [y] "+m"(y), [first] "=m"(first), SCRATCH
        : [x] "r"(x), [end] "m"(end)
        : "cc", "memory");
}
// clang-format on

static void dense(const dk_matrix8 *matrix, const input_pairs *x, int16_t *y)
{
    const int8_t *w = matrix->weights;
    const size_t quads = (matrix->cols + COLS - 1U) / COLS;
    size_t left = matrix->rows;
    for (; left > ROWS; left -= ROWS) {
        w = dense_rows(w, x, quads, y);
        y += ROWS;
    }
    int16_t last[ROWS];
    (void)dense_rows(w, x, quads, last);
    memcpy(y, last, left * sizeof *y);
}

void dk_matvec8(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    if (matrix->bias != NULL) {
        dk_matvec8_plain(matrix, x, y);
        return;
    }
    input_pairs pairs[MOST_COLS / COLS];
    pair_up(x, matrix->cols, pairs);
    if (matrix->index == NULL) {
        dense(matrix, pairs, y);
    } else {
        sparse_rows(matrix->weights, matrix->index, pairs, y, y + matrix->rows);
    }
}

#endif
