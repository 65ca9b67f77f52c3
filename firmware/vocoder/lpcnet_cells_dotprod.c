// SPDX-License-Identifier: BSD-3-Clause
// The sample loop's products with SDOT: sixteen products an instruction.
#include "vocoder/lpcnet_cells.h"

#if defined(DK_LPCNET_DOTPROD)

#include "nn/dotprod/blocks.h"

enum { ROWS = 8 };

void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x, int32_t *sums)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    for (const int32_t *last = sums + matrix->rows; sums < last; sums += ROWS) {
        uint64_t pairs = *index++, p, q;
        // clang-format off
        __asm volatile(
            "ld1 {v16.4s, v17.4s}, [%[sums]]\n\t"
            DK_ADD_PAIRS
            "st1 {v16.4s, v17.4s}, [%[sums]]"
            : [w] "+r"(w), [n] "+r"(pairs), [p] "=&r"(p), [q] "=&r"(q)
            : [x] "r"(x), [sums] "r"(sums)
            : DK_BLOCKS_USED);
        // clang-format on
    }
}

#endif
