// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times int8 vector with integer Helium (Armv8.1-M MVE): 16 products an instruction,
// eight rows at once, which share each load of x. It is written in assembly because gcc 12 keeps
// the sums in memory.
//
// The packed table is one stream. For every eight rows it holds 16 columns of each row in turn,
// until all columns are there; then the rows' biases and factors, the even rows before the odd
// ones. In a sparse matrix the columns of four kept blocks lie side by side. Its index holds the
// number of such fours, then each block's column, by which x is gathered. Zeros fill up the last
// eight rows, the last 16 columns and the last four blocks.
//
// toolkit/codegen/packing/pack.py has proved that 2^4 times any sum, bias included, is an int32.
// With factor = multiplier * 2^(27 - shift), one doubling and rounding multiplication of that value
// gives exactly (sum * multiplier + 2^(shift - 1)) >> shift. A matrix without this proof stays
// plain.
#include "dk_isa.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>
#include <string.h>

#include "nn/nn.h"
#include "nn/plain.h"
#include "nn/scratch.h"

enum { ROWS = 8, LANES = 16, MOST_COLS = 1024 };

// The layout is one instruction a line.
// clang-format off

// Inlined into another function, the operands might find too few registers.
#define OUTSIDE static __attribute__((noinline))

// The sums of the rows are in r0, r2, .. lr: only even registers can hold a sum.
#define SUMS_REGISTERS \
    DK_WORD(r0); \
    DK_WORD(r2); \
    DK_WORD(r4); \
    DK_WORD(r6); \
    DK_WORD(r8); \
    DK_WORD(r10); \
    DK_WORD(r12); \
    DK_WORD(lr)
#define CLEAR_SUMS "clrm {r0, r2, r4, r6, r8, r10, r12, lr}\n\t"
#define ADD_ROW(sum) \
    "vldrb.u8 %q[q1], [%[w]], #16\n\t" \
    "vmladava.s8 " sum ", %q[q0], %q[q1]\n\t"
#define ADD_PRODUCTS \
    ADD_ROW("r0") \
    ADD_ROW("r2") \
    ADD_ROW("r4") \
    ADD_ROW("r6") \
    ADD_ROW("r8") \
    ADD_ROW("r10") \
    ADD_ROW("r12") \
    ADD_ROW("lr")
#define SCALE(sums) \
    "vldrw.u32 %q[eight], [%[w]], #16\n\t" \
    "vadd.i32 " sums ", " sums ", %q[eight]\n\t" \
    "vldrw.u32 %q[eight], [%[w]], #16\n\t" \
    "vshl.i32 " sums ", " sums ", #4\n\t" \
    "vqrdmulh.s32 " sums ", " sums ", %q[eight]\n\t"
#define REQUANTISE \
    "vmov %q[q0][2], %q[q0][0], r0, r8\n\t" \
    "vmov %q[q0][3], %q[q0][1], r4, r12\n\t" \
    "vmov %q[q1][2], %q[q1][0], r2, r10\n\t" \
    "vmov %q[q1][3], %q[q1][1], r6, lr\n\t" \
    SCALE("%q[q0]") \
    SCALE("%q[q1]") \
    "vqmovnb.s32 %q[eight], %q[q0]\n\t" \
    "vqmovnt.s32 %q[eight], %q[q1]\n\t"
#define SCRATCH \
    [q0] "=&w"(q0), [q1] "=&w"(q1), DK_WRITES(r0), DK_WRITES(r2), DK_WRITES(r4), DK_WRITES(r6), \
    DK_WRITES(r8), DK_WRITES(r10), DK_WRITES(r12), DK_WRITES(lr)

// The inputs of dense rows: `whole` groups of 16 columns, then `rest` columns. Results end at `end`.
typedef struct {
    const int8_t *x;
    size_t whole;
    size_t rest;
    const int16_t *end;
} dense_inputs;

#define ADD_COLUMNS \
    "vldrb.u8 %q[q0], [%[x]], #16\n\t" \
    ADD_PRODUCTS

// Compute y[.. end] of dense rows, eight at a time. Returns the start of the next rows' table. An
// odd group of columns comes first: no instruction after `lsrs` changes the flags.
// NOLINTNEXTLINE(readability-non-const-parameter): the assembly writes y
OUTSIDE const int8_t *dense_rows(const int8_t *w, const dense_inputs *in, int16_t *y)
{
    const int8_t *x;
    size_t times;
    int32x4_t eight, q0, q1;
    SUMS_REGISTERS;
    __asm__ volatile(
        "1:\n\t"
        CLEAR_SUMS
        "ldrd %[x], %[n], [%[in]]\n\t"
        "lsrs %[n], %[n], #1\n\t"
        "bcc 2f\n\t"
        ADD_COLUMNS
        "2:\n\t"
        "beq 4f\n"
        "3:\n\t"
        ADD_COLUMNS
        ADD_COLUMNS
        "subs %[n], #1\n\t"
        "bne 3b\n"
        "4:\n\t"
        "ldr %[n], [%[in], #8]\n\t"
        "cbz %[n], 5f\n\t"
        "vctp.8 %[n]\n\t"
        "vpst\n\t"
        "vldrbt.u8 %q[q0], [%[x]]\n\t"  // zeros beyond the end
        ADD_PRODUCTS
        "5:\n\t"
        REQUANTISE
        "ldr %[n], [%[in], #12]\n\t"
        "vstrh.16 %q[eight], [%[y]], #16\n\t"
        "cmp %[y], %[n]\n\t"
        "blo 1b\n\t"
        : [w] "+&r"(w), [x] "=&r"(x), [y] "+&r"(y), [n] "=&l"(times), [eight] "=&w"(eight), SCRATCH
        : [in] "r"(in)
        : "cc", "memory");
    return w;
}

// Compute y[rows] of sparse rows, eight at a time.
OUTSIDE void sparse_rows(const int8_t *w, const uint8_t *index, const int8_t *x, void *y,
                         const void *end)
{
    size_t times;
    int32x4_t eight, q0, q1;
    SUMS_REGISTERS;
    __asm__ volatile(
        "1:\n\t"
        CLEAR_SUMS
        "ldrb %[n], [%[index]], #1\n\t"
        "cbz %[n], 3f\n"
        "2:\n\t"
        "vldrb.u32 %q[eight], [%[index]], #4\n\t"
        "vldrw.u32 %q[q0], [%[x], %q[eight], uxtw #2]\n\t"
        ADD_PRODUCTS
        "subs %[n], #1\n\t"
        "bne 2b\n"
        "3:\n\t"
        REQUANTISE
        "vstrh.16 %q[eight], [%[y]], #16\n\t"
        "ldr %[n], %[end]\n\t"
        "cmp %[y], %[n]\n\t"
        "blo 1b\n\t"
        : [w] "+&r"(w), [index] "+&l"(index), [y] "+&r"(y), [n] "=&l"(times), [eight] "=&w"(eight), SCRATCH
        : [x] "r"(x), [end] "m"(end)
        : "cc", "memory");
}
// clang-format on

static void dense(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    const int8_t *w = matrix->weights;
    const size_t left = matrix->rows % ROWS;
    int16_t *end = y + matrix->rows - left;
    dense_inputs in = {x, matrix->cols / LANES, matrix->cols % LANES, end};
    if (y < end) {
        w = dense_rows(w, &in, y);
    }
    if (left > 0) {
        int16_t last[ROWS];
        in.end = last + ROWS;
        (void)dense_rows(w, &in, last);
        memcpy(end, last, left * sizeof *y);
    }
}

static void sparse(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    sparse_rows(matrix->weights, matrix->index, x, y, y + matrix->rows);
}

// Copy x first: words can only be gathered from aligned words.
static void sparse_unaligned(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    int32_t words[MOST_COLS / sizeof(int32_t)];
    memcpy(words, x, matrix->cols);
    sparse(matrix, (const int8_t *)words, y);
}

void dk_matvec8(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    if (matrix->bias != NULL) {
        dk_matvec8_plain(matrix, x, y);
    } else if (matrix->index == NULL) {
        dense(matrix, x, y);
    } else if ((uintptr_t)x % sizeof(int32_t) == 0) {
        sparse(matrix, x, y);
    } else {
        sparse_unaligned(matrix, x, y);
    }
}

#endif
