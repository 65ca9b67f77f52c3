// SPDX-License-Identifier: BSD-3-Clause
// int8 matrix times several int8 vectors with SDOT: one pass over the weights serves up to four
// vectors. The packed tables, the proof and the arithmetic are the same as in matvec8.c. Four
// inputs of every vector make up one register: its lanes multiply the same weights, and one load
// brings them all.
//
// SMMLA (i8mm) takes two rows and two vectors of eight columns. Measured on 384x384 dense products:
// for one vector it needs 6 % more instructions than SDOT, because half of each is idle. For four
// vectors it needs 0.043 instructions a MAC instead of 0.073, or 0.059 with tables in this order,
// which products of one vector need. It would save about 6 % of a decoder that runs four steps at
// once, and nothing elsewhere.
#include "dk_isa.h"

#if defined(DK_ISA_DOTPROD)

#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

#include "nn/nn.h"
#include "nn/scratch.h"

// Wider inputs are multiplied one vector at a time; narrower ones fit the buffer on the stack.
enum { ROWS = 8, COLS = 4, MOST = 4, MOST_COLS = 640, LANES = 16 };

// Inputs in the order in which the kernel reads them: four of each vector in turn.
typedef struct {
    int32_t turns[MOST_COLS * MOST / COLS];
    size_t fours;
} input_turns;

// The sums of eight rows, by vector.
typedef struct {
    int32x4_t low[MOST];
    int32x4_t high[MOST];
} row_sums;

// The layout is one instruction a line.
// clang-format off
#define INPUTS \
    DK_VECTOR(v0); \
    DK_VECTOR(v1); \
    DK_VECTOR(v2); \
    DK_VECTOR(v3)
#define WEIGHTS \
    DK_VECTOR(v4); \
    DK_VECTOR(v5); \
    DK_VECTOR(v6); \
    DK_VECTOR(v7)
#define WRITES_INPUTS \
    DK_WRITES_VECTOR(v0), DK_WRITES_VECTOR(v1), DK_WRITES_VECTOR(v2), DK_WRITES_VECTOR(v3)
#define WRITES_WEIGHTS \
    DK_WRITES_VECTOR(v4), DK_WRITES_VECTOR(v5), DK_WRITES_VECTOR(v6), DK_WRITES_VECTOR(v7)

// Interleave 16 columns of each vector into `turns`, `n` times.
static void put_in_turns(const int8_t *const from[MOST], size_t n, void *turns)
{
    const int8_t *a = from[0], *b = from[1], *c = from[2], *d = from[3];
    INPUTS;
    __asm__ volatile(
        "1:\n\t"
        "ldr q0, [%[a]], #16\n\t"
        "ldr q1, [%[b]], #16\n\t"
        "ldr q2, [%[c]], #16\n\t"
        "ldr q3, [%[d]], #16\n\t"
        "st4 {v0.4s, v1.4s, v2.4s, v3.4s}, [%[to]], #64\n\t"
        "subs %[n], %[n], #1\n\t"
        "b.ne 1b"
        : [a] "+&r"(a), [b] "+&r"(b), [c] "+&r"(c), [d] "+&r"(d), [n] "+&r"(n), [to] "+&r"(turns),
          WRITES_INPUTS
        :
        : "cc", "memory");
}

// FOR_n adds the products of a block for n vectors; `low` and `high` hold the weights of its rows
// 0 .. 3 and 4 .. 7.
#define FOR_2(low, high, x) \
    "sdot %[l0].4s, " low ".16b, " x ".4b[0]\n\t" \
    "sdot %[h0].4s, " high ".16b, " x ".4b[0]\n\t" \
    "sdot %[l1].4s, " low ".16b, " x ".4b[1]\n\t" \
    "sdot %[h1].4s, " high ".16b, " x ".4b[1]\n\t"
#define FOR_3(low, high, x) \
    FOR_2(low, high, x) \
    "sdot %[l2].4s, " low ".16b, " x ".4b[2]\n\t" \
    "sdot %[h2].4s, " high ".16b, " x ".4b[2]\n\t"
#define FOR_4(low, high, x) \
    FOR_3(low, high, x) \
    "sdot %[l3].4s, " low ".16b, " x ".4b[3]\n\t" \
    "sdot %[h3].4s, " high ".16b, " x ".4b[3]\n\t"
#define LOAD_TWO_BLOCKS "ld1 {v4.16b, v5.16b, v6.16b, v7.16b}, [%[w]], #64\n\t"
// Four blocks, n times; n is not 0.
#define FOURS(PRODUCTS) \
    "1:\n\t" \
    "ld1 {v0.16b, v1.16b, v2.16b, v3.16b}, [%[x]], #64\n\t" \
    LOAD_TWO_BLOCKS PRODUCTS("v4", "v5", "v0") PRODUCTS("v6", "v7", "v1") \
    LOAD_TWO_BLOCKS PRODUCTS("v4", "v5", "v2") PRODUCTS("v6", "v7", "v3") \
    "subs %[n], %[n], #1\n\t" \
    "b.ne 1b"
// One block, n times; n is not 0.
#define ONES(PRODUCTS) \
    "1:\n\t" \
    "ldr q0, [%[x]], #16\n\t" \
    "ld1 {v4.16b, v5.16b}, [%[w]], #32\n\t" \
    PRODUCTS("v4", "v5", "v0") \
    "subs %[n], %[n], #1\n\t" \
    "b.ne 1b"
// Two kept blocks, n times.
#define PAIRS(PRODUCTS) \
    "cbz %[n], 2f\n" \
    "1:\n\t" \
    "ldp %w[p], %w[q], [%[w]], #8\n\t" \
    "add %[p], %[x], %[p], lsl #2\n\t" \
    "add %[q], %[x], %[q], lsl #2\n\t" \
    "ldr q0, [%[p]]\n\t" \
    "ldr q1, [%[q]]\n\t" \
    LOAD_TWO_BLOCKS PRODUCTS("v4", "v5", "v0") PRODUCTS("v6", "v7", "v1") \
    "subs %[n], %[n], #1\n\t" \
    "b.ne 1b\n" \
    "2:"
#define SUMS(s) \
    [l0] "+&w"((s)->low[0]), [l1] "+&w"((s)->low[1]), [l2] "+&w"((s)->low[2]), \
    [l3] "+&w"((s)->low[3]), [h0] "+&w"((s)->high[0]), [h1] "+&w"((s)->high[1]), \
    [h2] "+&w"((s)->high[2]), [h3] "+&w"((s)->high[3])

// Expand a macro for the number of vectors. A statement has at most 30 operands.
// NOLINTBEGIN(bugprone-macro-parentheses): operands are not an expression
#define FOR_VECTORS(MACRO, OPERANDS) \
    if (vectors == 2) { \
        __asm__ volatile(MACRO(FOR_2) : OPERANDS : "cc", "memory"); \
    } else if (vectors == 3) { \
        __asm__ volatile(MACRO(FOR_3) : OPERANDS : "cc", "memory"); \
    } else { \
        __asm__ volatile(MACRO(FOR_4) : OPERANDS : "cc", "memory"); \
    }
// NOLINTEND(bugprone-macro-parentheses)

// add_dense and add_pairs return the place of the rows' factors. Every call passes a constant
// `vectors`.
static inline const int8_t *add_dense(row_sums *s, const int8_t *w, const input_turns *in,
                                      const size_t vectors)
{
    const int32_t *x = in->turns;
    INPUTS;
    WEIGHTS;
#define OPERANDS SUMS(s), [w] "+&r"(w), [x] "+&r"(x), [n] "+&r"(n)
#define OF_FOURS OPERANDS, WRITES_INPUTS, WRITES_WEIGHTS :
#define OF_ONES OPERANDS, DK_WRITES_VECTOR(v0), DK_WRITES_VECTOR(v4), DK_WRITES_VECTOR(v5) :
    size_t n = in->fours / 4;
    if (n > 0) {
        FOR_VECTORS(FOURS, OF_FOURS)
    }
    n = in->fours % 4;
    if (n > 0) {
        FOR_VECTORS(ONES, OF_ONES)
    }
#undef OPERANDS
    return w;
}

static inline const int8_t *add_pairs(row_sums *s, const int8_t *w, const input_turns *in,
                                      size_t pairs, const size_t vectors)
{
    uint64_t p, q;
    DK_VECTOR(v0);
    DK_VECTOR(v1);
    WEIGHTS;
#define OF_PAIRS \
    SUMS(s), [w] "+&r"(w), [n] "+&r"(pairs), [p] "=&r"(p), [q] "=&r"(q), DK_WRITES_VECTOR(v0), \
    DK_WRITES_VECTOR(v1), WRITES_WEIGHTS : [x] "r"(in->turns)
    FOR_VECTORS(PAIRS, OF_PAIRS)
    return w;
}
// clang-format on

static inline int16x8_t requantised(int32x4_t low, int32x4_t high, int32x4x2_t factors)
{
    enum { SUM_FRAC = 4 };
    low = vqrdmulhq_s32(vshlq_n_s32(low, SUM_FRAC), factors.val[0]);
    high = vqrdmulhq_s32(vshlq_n_s32(high, SUM_FRAC), factors.val[1]);
    return vqmovn_high_s32(vqmovn_s32(low), high);
}

static inline void products(const dk_matrix8 *matrix, const input_turns *in, int16_t *y,
                            ptrdiff_t y_apart, const size_t vectors)
{
    const int8_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row += ROWS) {
        const int32x4x2_t biases = vld1q_s32_x2((const int32_t *)(const void *)w);
        row_sums s;
        for (size_t i = 0; i < MOST; i++) {
            s.low[i] = biases.val[0];
            s.high[i] = biases.val[1];
        }
        w += sizeof biases;
        if (matrix->index == NULL) {
            w = add_dense(&s, w, in, vectors);
        } else {
            w = add_pairs(&s, w, in, matrix->index[row / ROWS], vectors);
        }
        const int32x4x2_t factors = vld1q_s32_x2((const int32_t *)(const void *)w);
        w += sizeof factors;
        int16_t *to = y + row;
        for (size_t i = 0; i < vectors; i++, to += y_apart) {
            const int16x8_t eight = requantised(s.low[i], s.high[i], factors);
            if (matrix->rows - row >= ROWS) {
                vst1q_s16(to, eight);
            } else {
                memcpy(to, &eight, (matrix->rows - row) * sizeof *to);
            }
        }
    }
}

static void take_turns(input_turns *in, const int8_t *x, size_t x_apart, size_t cols,
                       size_t vectors)
{
    const size_t whole = cols / LANES, rest = cols % LANES;
    const int8_t *from[MOST];
    // Lanes without a vector repeat the last vector's inputs; their sums are not read.
    for (size_t i = 0; i < MOST; i++) {
        from[i] = x + (i < vectors ? i : vectors - 1) * x_apart;
    }
    if (whole > 0) {
        put_in_turns(from, whole, in->turns);
    }
    if (rest > 0) {  // copy the last inputs, because nothing may be read beyond x
        int8_t last[MOST][LANES] = {{0}};
        for (size_t i = 0; i < MOST; i++) {
            memcpy(last[i], from[i] + whole * LANES, rest);
            from[i] = last[i];
        }
        put_in_turns(from, 1, in->turns + whole * LANES);
    }
    in->fours = (cols + COLS - 1) / COLS;
}

// Handles 2 to 4 vectors. Kept out of line so that its buffers do not enlarge the single-vector
// path's stack frame.
static __attribute__((noinline)) void several(const dk_matrix8 *matrix, size_t vectors,
                                              const int8_t *x, size_t x_apart, int16_t *y,
                                              ptrdiff_t y_apart)
{
    input_turns in;
    take_turns(&in, x, x_apart, matrix->cols, vectors);
    if (vectors == 2) {
        products(matrix, &in, y, y_apart, 2);
    } else if (vectors == 3) {
        products(matrix, &in, y, y_apart, 3);
    } else {
        products(matrix, &in, y, y_apart, MOST);
    }
}

void dk_matvec8_batch(const dk_matrix8 *matrix, size_t steps, const int8_t *x, size_t x_apart,
                      int16_t *y, ptrdiff_t y_apart)
{
    const bool fit = matrix->bias == NULL && matrix->cols <= MOST_COLS;
    while (steps > 0) {
        const size_t now = !fit ? 1 : steps < MOST ? steps : MOST;
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
