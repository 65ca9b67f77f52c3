// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times int8 vector with SDOT (Armv8.2-A dot products): 16 products an instruction,
// for four columns of four rows, whose inputs are one lane of another register. It is written in
// assembly so that one instruction loads four registers and moves the pointer on.
//
// The packed table is one stream. For every eight rows it holds their biases, their weights as
// blocks of 8 rows and 4 columns, and their factors. Dense rows have all blocks in turn, with
// columns and rows filled up with zeros. Kept blocks of a sparse matrix come in pairs; two words
// before each pair say at which columns the blocks are. The index holds the number of pairs for
// every eight rows; a block of zeros completes the last pair.
//
// toolkit/codegen/packing/dotprod.py has proved that 2^4 times any sum, bias included, is an int32.
// With factor = multiplier * 2^(27 - shift), one doubling and rounding multiplication of that value
// gives exactly (sum * multiplier + 2^(shift - 1)) >> shift. A matrix without this proof stays
// plain.
#include "dk_isa.h"

#if defined(DK_ISA_DOTPROD)

#include <arm_neon.h>
#include <string.h>

#include "nn/dotprod/blocks.h"
#include "nn/nn.h"
#include "nn/plain.h"

enum { ROWS = 8, COLS = 4, CHUNK = 32, HALF = 16 };

// The linter wants const here, but the inline assembly writes through these pointers. The layout is
// one instruction a line.
// NOLINTBEGIN(readability-non-const-parameter)
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
    "str q16, [%[y]], #16\n\t"

// The inputs of dense rows: chunks of 32 from x to `end`, then `rest` fours, up to eight. If there
// are at least four fours, the first four are in `half` and the others in `last`; else all are in
// `last`.
typedef struct {
    const int8_t *x;
    const int8_t *end;
    uint64_t rest;
    int8x16_t half;
    int8x16_t last;
} dense_inputs;

// Compute y[8 * groups] of dense rows. Returns the start of the next rows' table.
static __attribute__((noinline)) const int8_t *dense_rows(const int8_t *w, const dense_inputs *in,
                                                          size_t groups, int16_t *y)
{
    const int8_t *x;
    DK_BLOCKS_REGISTERS;
    __asm__ volatile(
        "5:\n\t"
        LOAD_BIASES
        "mov %[x], %[start]\n\t"
        "cmp %[x], %[end]\n\t"
        "b.hs 2f\n"
        "1:\n\t"
        "ldp q0, q1, [%[x]], #32\n\t"
        DK_ADD_TWO_BLOCKS("v0.4b[0]", "v0.4b[1]")
        DK_ADD_TWO_BLOCKS("v0.4b[2]", "v0.4b[3]")
        DK_ADD_TWO_BLOCKS("v1.4b[0]", "v1.4b[1]")
        DK_ADD_TWO_BLOCKS("v1.4b[2]", "v1.4b[3]")
        "cmp %[x], %[end]\n\t"
        "b.lo 1b\n"
        "2:\n\t"
        "cbz %[rest], 4f\n\t"
        "tst %[rest], #12\n\t"
        "b.eq 3f\n\t"
        DK_ADD_TWO_BLOCKS("%[half].4b[0]", "%[half].4b[1]")
        DK_ADD_TWO_BLOCKS("%[half].4b[2]", "%[half].4b[3]")
        "tbz %[rest], #3, 3f\n\t"
        DK_ADD_TWO_BLOCKS("%[last].4b[0]", "%[last].4b[1]")
        DK_ADD_TWO_BLOCKS("%[last].4b[2]", "%[last].4b[3]")
        "b 4f\n"
        "3:\n\t"
        "tbz %[rest], #1, 3f\n\t"
        DK_ADD_TWO_BLOCKS("%[last].4b[0]", "%[last].4b[1]")
        "tbz %[rest], #0, 4f\n\t"
        DK_ADD_BLOCK("%[last].4b[2]")
        "b 4f\n"
        "3:\n\t"
        "tbz %[rest], #0, 4f\n\t"
        DK_ADD_BLOCK("%[last].4b[0]")
        "4:\n\t"
        REQUANTISE
        "subs %[n], %[n], #1\n\t"
        "b.ne 5b"
        : [w] "+&r"(w), [x] "=&r"(x), [n] "+&r"(groups), [y] "+&r"(y),
          DK_BLOCKS_SCRATCH
        : [start] "r"(in->x), [end] "r"(in->end), [rest] "r"(in->rest), [half] "w"(in->half),
          [last] "w"(in->last)
        : "cc", "memory");
    return w;
}

// Compute y[8 * groups] of sparse rows; `index` holds their numbers of pairs.
static void sparse_rows(const int8_t *w, const uint8_t *index, const int8_t *x, size_t groups,
                        int16_t *y)
{
    const int16_t *const end = y + ROWS * groups;
    uint64_t n, p, q;
    DK_BLOCKS_REGISTERS;
    __asm__ volatile(
        "5:\n\t"
        "ldrb %w[n], [%[index]], #1\n\t"
        LOAD_BIASES
        DK_ADD_PAIRS
        REQUANTISE
        "cmp %[y], %[end]\n\t"
        "b.lo 5b"
        : [w] "+&r"(w), [index] "+&r"(index), [y] "+&r"(y), [n] "=&r"(n), [p] "=&r"(p), [q] "=&r"(q),
          DK_BLOCKS_SCRATCH
        : [x] "r"(x), [end] "r"(end)
        : "cc", "memory");
}
// clang-format on
// NOLINTEND(readability-non-const-parameter)

static void dense(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    const size_t cols = matrix->cols, whole = cols / CHUNK * CHUNK, groups = matrix->rows / ROWS;
    const size_t left = matrix->rows % ROWS;
    dense_inputs in = {.x = x, .end = x + whole, .rest = (cols - whole + COLS - 1) / COLS};
    // Copy the last inputs, because the kernel must not read beyond x.
    int8_t rest[CHUNK] = {0};
    if (whole < cols) {
        memcpy(rest, x + whole, cols - whole);
    }
    in.half = vld1q_s8(rest);
    in.last = in.rest < HALF / COLS ? in.half : vld1q_s8(rest + HALF);
    const int8_t *w = matrix->weights;
    if (groups > 0) {
        w = dense_rows(w, &in, groups, y);
    }
    if (left > 0) {
        int16_t eight[ROWS];
        (void)dense_rows(w, &in, 1, eight);
        memcpy(y + ROWS * groups, eight, left * sizeof *y);
    }
}

void dk_matvec8(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    if (matrix->bias != NULL) {
        dk_matvec8_plain(matrix, x, y);
    } else if (matrix->index == NULL) {
        dense(matrix, x, y);
    } else {
        sparse_rows(matrix->weights, matrix->index, x, matrix->rows / ROWS, y);
    }
}

#endif
