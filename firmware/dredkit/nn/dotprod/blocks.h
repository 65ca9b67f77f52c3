// SPDX-License-Identifier: BSD-3-Clause
// Pieces of assembly that add products to the sums of eight rows, held in v16 and v17. A block has
// 8 rows and 4 columns of int8 weights; its inputs are a lane of v0 or v1. The pointer %[w] moves
// along the weights, which are loaded into v4 .. v7.
#ifndef DREDKIT_DOTPROD_BLOCKS_H
#define DREDKIT_DOTPROD_BLOCKS_H

#include <arm_neon.h>

#include "nn/scratch.h"

// The layout is one instruction a line.
// clang-format off
#define DK_BLOCKS_REGISTERS \
    DK_VECTOR(v0); \
    DK_VECTOR(v1); \
    DK_VECTOR(v4); \
    DK_VECTOR(v5); \
    DK_VECTOR(v6); \
    DK_VECTOR(v7); \
    DK_VECTOR(v16); \
    DK_VECTOR(v17)
#define DK_BLOCKS_SCRATCH \
    DK_WRITES_VECTOR(v0), DK_WRITES_VECTOR(v1), DK_WRITES_VECTOR(v4), DK_WRITES_VECTOR(v5), \
    DK_WRITES_VECTOR(v6), DK_WRITES_VECTOR(v7), DK_WRITES_VECTOR(v16), DK_WRITES_VECTOR(v17)

#define DK_ADD_PRODUCTS(low, high, lane) \
    "sdot v16.4s, " low ".16b, " lane "\n\t" \
    "sdot v17.4s, " high ".16b, " lane "\n\t"

#define DK_ADD_BLOCK(lane) \
    "ld1 {v4.16b, v5.16b}, [%[w]], #32\n\t" \
    DK_ADD_PRODUCTS("v4", "v5", lane)

#define DK_ADD_TWO_BLOCKS(first, second) \
    "ld1 {v4.16b, v5.16b, v6.16b, v7.16b}, [%[w]], #64\n\t" \
    DK_ADD_PRODUCTS("v4", "v5", first) \
    DK_ADD_PRODUCTS("v6", "v7", second)

// Two kept blocks of a sparse matrix. Two words before them hold the byte offsets of their inputs
// in %[x]. %[p] and %[q] are scratch.
#define DK_ADD_PAIR \
    "ldp %w[p], %w[q], [%[w]], #8\n\t" \
    "ldr s0, [%[x], %[p]]\n\t" \
    "ldr s1, [%[x], %[q]]\n\t" \
    DK_ADD_TWO_BLOCKS("v0.4b[0]", "v1.4b[0]")

// %[n] pairs of kept blocks; %[n] is undefined afterwards. This uses the local labels 1 to 4.
#define DK_ADD_PAIRS \
    "subs %[n], %[n], #4\n\t" \
    "b.lt 2f\n" \
    "1:\n\t" \
    DK_ADD_PAIR DK_ADD_PAIR DK_ADD_PAIR DK_ADD_PAIR \
    "subs %[n], %[n], #4\n\t" \
    "b.ge 1b\n" \
    "2:\n\t" \
    "tbz %[n], #1, 3f\n\t" /* -4 and as many as are left */ \
    DK_ADD_PAIR DK_ADD_PAIR \
    "3:\n\t" \
    "tbz %[n], #0, 4f\n\t" \
    DK_ADD_PAIR \
    "4:\n\t"
// clang-format on

#endif
