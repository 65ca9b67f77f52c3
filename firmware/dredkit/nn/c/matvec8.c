// SPDX-License-Identifier: BSD-3-Clause
// Portable int8 matrix times int8 vector: the reference for all other variants.
#include "dk_isa.h"

#if defined(DK_ISA_C)

#include "nn/nn.h"
#include "nn/plain.h"

void dk_matvec8(const dk_matrix8 *matrix, const int8_t *x, int16_t *y)
{
    dk_matvec8_plain(matrix, x, y);
}

#endif
