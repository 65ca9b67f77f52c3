// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times several int8 vectors with integer Helium: in a pass over the weights, two rows
// of four vectors, or four rows of two vectors, share each load of weights and inputs. The packed
// tables, the proof and the arithmetic are the same as in matvec8.c.
#include "dk_isa.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>
#include <stdbool.h>

#include "nn/nn.h"
#include "nn/scratch.h"

// Wider inputs are multiplied one vector at a time; narrower ones fit the buffer on the stack.
enum { ROWS = 8, HALF = ROWS / 2, LANES = 16, MOST = 4, MOST_COLS = 640, BLOCK_COLS = 4 };

// Inputs in the order in which the kernel reads them: 16 of each vector in turn, zeros at the end.
typedef struct {
    int8_t turns[(MOST_COLS / LANES + 1) * MOST * LANES];
    size_t count;    // of turns
    size_t vectors;  // 2 or 4
} input_turns;

// The linter wants const here, but the inline assembly writes through these pointers. The layout is
// one instruction a line.
// NOLINTBEGIN(readability-non-const-parameter)
// clang-format off

// Sums are in r0, r2, .. lr: only even registers can hold a sum. With two rows and four vectors,
// the first row's sums are in r0, r4, r8, r12; with four rows and two vectors, the first vector's
// sums are in r0 .. r6.
#define NEXT(q, from, step) "vldrb.u8 %q[" q "], [%[" from "]], #" step "\n\t"
#define ADD(sum, x) "vmladava.s8 " sum ", %q[" x "], %q[q4]\n\t"
// The eight rows lie 16 bytes apart; the last load skips the rows that are not wanted.
#define FOUR_VECTORS \
    NEXT("q0", "x", "16") NEXT("q1", "x", "16") NEXT("q2", "x", "16") NEXT("q3", "x", "16") \
    NEXT("q4", "w", "16") ADD("r0", "q0") ADD("r4", "q1") ADD("r8", "q2") ADD("r12", "q3") \
    NEXT("q4", "w", "112") ADD("r2", "q0") ADD("r6", "q1") ADD("r10", "q2") ADD("lr", "q3")
#define TWO_VECTORS \
    NEXT("q0", "x", "16") NEXT("q1", "x", "16") \
    NEXT("q4", "w", "16") ADD("r0", "q0") ADD("r8", "q1") \
    NEXT("q4", "w", "16") ADD("r2", "q0") ADD("r10", "q1") \
    NEXT("q4", "w", "16") ADD("r4", "q0") ADD("r12", "q1") \
    NEXT("q4", "w", "80") ADD("r6", "q0") ADD("lr", "q1")
#define PUT(sum, at) "str " sum ", [%[sums], #" at "]\n\t"
// Go through all eight rows. The next rows lie `step` bytes further, and their sums `room` bytes.
#define ROWS_IN_TURN(turn, put, step, room) \
    "1:\n\t" \
    "clrm {r0, r2, r4, r6, r8, r10, r12, lr}\n\t" \
    "mov %[x], %[begin]\n\t" \
    "lsrs %[n], %[count], #1\n\t" \
    "bcc 2f\n\t" \
    turn \
    "2:\n\t" \
    "cmp %[n], #0\n\t" \
    "beq 4f\n" \
    "3:\n\t" \
    turn turn \
    "subs %[n], #1\n\t" \
    "bne 3b\n" \
    "4:\n\t" \
    put \
    "sub %[w], %[w], %[count], lsl #7\n\t" \
    "add %[w], #" step "\n\t" \
    "add %[sums], #" room "\n\t" \
    "tst %[sums], #12\n\t" \
    "bne 1b\n\t"
#define REGISTERS \
    int8x16_t q0, q1, q2, q3, q4; \
    DK_WORD(r0); \
    DK_WORD(r2); \
    DK_WORD(r4); \
    DK_WORD(r6); \
    DK_WORD(r8); \
    DK_WORD(r10); \
    DK_WORD(r12); \
    DK_WORD(lr)
#define SCRATCH \
    [q0] "=&w"(q0), [q1] "=&w"(q1), [q2] "=&w"(q2), [q3] "=&w"(q3), [q4] "=&w"(q4), \
    DK_WRITES(r0), DK_WRITES(r2), DK_WRITES(r4), DK_WRITES(r6), DK_WRITES(r8), DK_WRITES(r10), \
    DK_WRITES(r12), DK_WRITES(lr)

// Compute the sums of eight rows at w: for each vector the sums of the even rows, then of the odd
// rows. `sums` is aligned to 16 bytes.
static __attribute__((noinline)) void for_four(const int8_t *w, const int8_t *begin, size_t count,
                                               void *sums)
{
    const int8_t *x;
    size_t n;
    REGISTERS;
    __asm__ volatile(
        ROWS_IN_TURN(
            FOUR_VECTORS,
            PUT("r0", "0") PUT("r2", "16") PUT("r4", "32") PUT("r6", "48")
            PUT("r8", "64") PUT("r10", "80") PUT("r12", "96") PUT("lr", "112"),
            "32", "4")
        : [w] "+&r"(w), [sums] "+&r"(sums), [x] "=&r"(x), [n] "=&r"(n), SCRATCH
        : [begin] "r"(begin), [count] "r"(count)
        : "cc", "memory");
}

static __attribute__((noinline)) void for_two(const int8_t *w, const int8_t *begin, size_t count,
                                              void *sums)
{
    const int8_t *x;
    size_t n;
    REGISTERS;
    __asm__ volatile(
        ROWS_IN_TURN(
            TWO_VECTORS,
            PUT("r0", "0") PUT("r2", "16") PUT("r4", "4") PUT("r6", "20")
            PUT("r8", "32") PUT("r10", "48") PUT("r12", "36") PUT("lr", "52"),
            "64", "8")
        : [w] "+&r"(w), [sums] "+&r"(sums), [x] "=&r"(x), [n] "=&r"(n), SCRATCH
        : [begin] "r"(begin), [count] "r"(count)
        : "cc", "memory");
}
// clang-format on
// NOLINTEND(readability-non-const-parameter)

// Return a vector's eight results from the sums of the rows and their biases and factors.
static inline int16x8_t requantise(const int32_t sums[ROWS], const int32_t table[2 * ROWS])
{
    enum { SUM_FRAC = 4 };
    const int32x4_t even = vaddq_s32(vldrwq_s32(sums), vldrwq_s32(table));
    const int32x4_t odd = vaddq_s32(vldrwq_s32(sums + HALF), vldrwq_s32(table + 2 * HALF));
    const int32x4_t low = vqrdmulhq_s32(vshlq_n_s32(even, SUM_FRAC), vldrwq_s32(table + HALF));
    const int32x4_t high = vqrdmulhq_s32(vshlq_n_s32(odd, SUM_FRAC), vldrwq_s32(table + 3 * HALF));
    return vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), low), high);
}

// Compute up to eight rows of all vectors. Returns the start of the next rows' table.
static const int8_t *eight_rows(const int8_t *w, const input_turns *in, size_t rows, int16_t *y,
                                ptrdiff_t y_apart)
{
    const int32_t *table = (const int32_t *)(const void *)(w + ROWS * LANES * in->count);
    int32_t sums[MOST][ROWS] __attribute__((aligned(16)));
    if (in->vectors == MOST) {
        for_four(w, in->turns, in->count, sums[0]);
    } else {
        for_two(w, in->turns, in->count, sums[0]);
    }
    for (size_t i = 0; i < in->vectors; i++) {
        vstrhq_p_s16(y, requantise(sums[i], table), vctp16q(rows));
        y += y_apart;
    }
    return (const int8_t *)(table + 2 * ROWS);
}

static void dense(const dk_matrix8 *matrix, input_turns *in, const int8_t *x, size_t x_apart,
                  int16_t *y, ptrdiff_t y_apart)
{
    const int8_t *w = matrix->weights;
    int8_t *to = in->turns;
    in->count = 0;
    for (size_t col = 0; col < matrix->cols; col += LANES) {
        for (size_t i = 0; i < in->vectors; i++) {
            const mve_pred16_t inside = vctp8q(matrix->cols - col);
            vstrbq_s8(to, vldrbq_z_s8(x + col + i * x_apart, inside));
            to += LANES;
        }
        in->count++;
    }
    for (size_t row = 0; row < matrix->rows; row += ROWS) {
        w = eight_rows(w, in, matrix->rows - row, y + row, y_apart);
    }
}

// Gather the inputs of a group of blocks as words. Returns the start of the next group's index.
// Every call passes a constant `vectors`, so no loop over it is left.
static inline const uint8_t *gather(input_turns *in, const uint8_t *index, const int32_t *x,
                                    size_t apart, const size_t vectors)
{
    int32_t *to = (int32_t *)(void *)in->turns;
    const int32_t *from[MOST];
#pragma GCC unroll 4
    for (size_t i = 0; i < vectors; i++) {
        from[i] = x + i * apart;
    }
    in->count = *index++;
    for (const uint8_t *end = index + BLOCK_COLS * in->count; index < end; index += BLOCK_COLS) {
        const uint32x4_t columns = vldrbq_u32(index);
#pragma GCC unroll 4
        for (size_t i = 0; i < vectors; i++) {
            vstrwq_s32(to, vldrwq_gather_shifted_offset_s32(from[i], columns));
            to += LANES / sizeof *to;
        }
    }
    return index;
}

static void sparse(const dk_matrix8 *matrix, input_turns *in, const int8_t *x, size_t x_apart,
                   int16_t *y, ptrdiff_t y_apart)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    const int32_t *words = (const int32_t *)(const void *)x;
    const size_t apart = x_apart / sizeof *words;
    for (size_t row = 0; row < matrix->rows; row += ROWS) {
        if (in->vectors == MOST) {
            index = gather(in, index, words, apart, MOST);
        } else {
            index = gather(in, index, words, apart, 2);
        }
        w = eight_rows(w, in, ROWS, y + row, y_apart);
    }
}

// Handles 2 or 4 vectors. Kept out of line so that its buffers do not enlarge the single-vector
// path's stack frame.
static __attribute__((noinline)) void several(const dk_matrix8 *matrix, size_t vectors,
                                              const int8_t *x, size_t x_apart, int16_t *y,
                                              ptrdiff_t y_apart)
{
    input_turns in __attribute__((aligned(4)));
    in.vectors = vectors;
    if (matrix->index == NULL) {
        dense(matrix, &in, x, x_apart, y, y_apart);
    } else {
        sparse(matrix, &in, x, x_apart, y, y_apart);
    }
}

void dk_matvec8_batch(const dk_matrix8 *matrix, size_t steps, const int8_t *x, size_t x_apart,
                      int16_t *y, ptrdiff_t y_apart)
{
    const bool words = ((uintptr_t)x | x_apart) % sizeof(int32_t) == 0;
    const bool fit =
        matrix->bias == NULL && matrix->cols <= MOST_COLS && (matrix->index == NULL || words);
    while (steps > 0) {
        const size_t now = !fit || steps == 1 ? 1 : steps < MOST ? 2 : MOST;
        if (now == 1) {
            dk_matvec8(matrix, x, y);
        } else {
            several(matrix, now, x, x_apart, y, y_apart);
        }
        x += now * x_apart;
        y += (ptrdiff_t)now * y_apart;
        steps -= now;
    }
}

#endif
