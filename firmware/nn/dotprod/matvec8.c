// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times int8 vector with SDOT (Armv8.2-A dot products): 16 products an instruction,
// four columns of four rows, whose inputs are one lane of another register. In assembly, so that
// one instruction loads four registers and moves the pointer on.
//
// The packed table is one stream. For eight rows: their biases, their weights as blocks of 8 rows
// and 4 columns, and their factors. Dense rows have all blocks in turn, columns and rows filled up
// with zeros. Kept blocks of a sparse matrix come in pairs, with two words before them that say at
// which columns they are; the index has the number of pairs for each eight rows, and a last block
// of zeros fills up the last pair.
//
// toolkit/codegen/packing_dotprod.py has proved that 2^4 times any sum, bias included, is an int32.
// With factor = multiplier * 2^(27 - shift) one doubling and rounding multiplication of that is
// (sum * multiplier + 2^(shift - 1)) >> shift, exactly. Where it has no such proof, the matrix
// stays plain.
#include <string.h>

#include "nn/dotprod/blocks.h"
#include "nn/nn.h"
#include "nn/plain.h"

enum { ROWS = 8, COLS = 4, CHUNK = 32 };

// An instruction a line:
// clang-format off
#define LOAD_BIASES "ld1 {v16.4s, v17.4s}, [%[w]], #32\n\t"
#define REQUANTISE \
    "shl v16.4s, v16.4s, #4\n\t" \
    "shl v17.4s, v17.4s, #4\n\t" \
    "ld1 {v4.4s, v5.4s}, [%[w]], #32\n\t" \
    "sqrdmulh v16.4s, v16.4s, v4.4s\n\t" \
    "sqrdmulh v17.4s, v17.4s, v5.4s\n\t" \
    "sqxtn v16.4h, v16.4s\n\t" \
    "sqxtn2 v16.8h, v17.4s\n\t" \
    "str q16, [%[y]]\n\t"

// y[0 .. 7] of eight dense rows; returns where the next rows' table starts. `whole` counts 32
// columns, `rest` fours of those that are left over, which are at `last`.
static inline const int8_t *dense_rows(const int8_t *w, const int8_t *x, size_t whole,
                                       const int8_t *last, size_t rest, int16_t *y)
{
    __asm volatile(
        LOAD_BIASES
        "cbz %[n], 2f\n"
        "1:\n\t"
        "ldp q0, q1, [%[x]], #32\n\t"
        DK_ADD_TWO_BLOCKS("v0.4b[0]", "v0.4b[1]")
        DK_ADD_TWO_BLOCKS("v0.4b[2]", "v0.4b[3]")
        DK_ADD_TWO_BLOCKS("v1.4b[0]", "v1.4b[1]")
        DK_ADD_TWO_BLOCKS("v1.4b[2]", "v1.4b[3]")
        "subs %[n], %[n], #1\n\t"
        "b.ne 1b\n"
        "2:\n\t"
        "cbz %[rest], 4f\n"
        "3:\n\t"
        "ldr s0, [%[last]], #4\n\t"
        DK_ADD_BLOCK("v0.4b[0]")
        "subs %[rest], %[rest], #1\n\t"
        "b.ne 3b\n"
        "4:\n\t"
        REQUANTISE
        : [w] "+r"(w), [x] "+r"(x), [n] "+r"(whole), [last] "+r"(last), [rest] "+r"(rest)
        : [y] "r"(y)
        : DK_BLOCKS_USED);
    return w;
}

// y[0 .. 7] of eight rows of so many pairs of blocks.
static inline const int8_t *sparse_rows(const int8_t *w, size_t pairs, const int8_t *x, int16_t *y)
{
    uint64_t p, q;
    __asm volatile(
        LOAD_BIASES
        DK_ADD_PAIRS
        REQUANTISE
        : [w] "+r"(w), [n] "+r"(pairs), [p] "=&r"(p), [q] "=&r"(q)
        : [x] "r"(x), [y] "r"(y)
        : DK_BLOCKS_USED);
    return w;
}
// clang-format on

static void dense(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    const int8_t *w = matrix->weights;
    const size_t cols = matrix->cols, whole = cols / CHUNK;
    const size_t rest = (cols % CHUNK + COLS - 1) / COLS;
    const int8_t *last = x + whole * CHUNK;
    int8_t padded[CHUNK] = {0};
    if (cols % COLS > 0) {  // not to read beyond x
        memcpy(padded, last, cols % CHUNK);
        last = padded;
    }
    size_t left = matrix->rows;
    for (; left >= ROWS; left -= ROWS) {
        w = dense_rows(w, x, whole, last, rest, y);
        y += ROWS;
    }
    if (left > 0) {
        int16_t eight[ROWS];
        (void)dense_rows(w, x, whole, last, rest, eight);
        memcpy(y, eight, left * sizeof *y);
    }
}

static void sparse(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    const int8_t *w = matrix->weights;
    const uint8_t *pairs = matrix->index;
    for (const int16_t *end = y + matrix->rows; y < end; y += ROWS) {
        w = sparse_rows(w, *pairs++, x, y);
    }
}

void dk_matvec8(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    if (matrix->bias != NULL) {
        dk_matvec8_plain(matrix, x, y);
    } else if (matrix->index == NULL) {
        dense(matrix, x, y);
    } else {
        sparse(matrix, x, y);
    }
}
