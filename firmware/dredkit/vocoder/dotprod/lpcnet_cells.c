// SPDX-License-Identifier: BSD-3-Clause
// The matrix products of LPCNet's sample loop with SDOT: sixteen products an instruction.
#include "vocoder/lpcnet_cells.h"

#if defined(DK_ISA_DOTPROD)

#include "nn/dotprod/blocks.h"

// NOLINTNEXTLINE(readability-non-const-parameter): assembly writes the sums
void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x, int32_t *sums)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    const int32_t *const end = sums + matrix->rows;
    uint64_t n, p, q;
    DK_BLOCKS_REGISTERS;
    // clang-format off
    __asm__ volatile(
        "5:\n\t"
        "ldrb %w[n], [%[index]], #1\n\t"
        "ldp q16, q17, [%[sums]]\n\t"
        DK_ADD_PAIRS
        "stp q16, q17, [%[sums]], #32\n\t"
        "cmp %[sums], %[end]\n\t"
        "b.lo 5b"
        : [w] "+&r"(w), [index] "+&r"(index), [sums] "+&r"(sums), [n] "=&r"(n), [p] "=&r"(p),
          [q] "=&r"(q), DK_BLOCKS_SCRATCH
        : [x] "r"(x), [end] "r"(end)
        : "cc", "memory");
    // clang-format on
}

#endif
