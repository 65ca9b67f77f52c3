// SPDX-License-Identifier: BSD-3-Clause
// The portable matrix product, which every kernel uses for a matrix that is not packed for it.
#ifndef DREDKIT_NN_PLAIN_H
#define DREDKIT_NN_PLAIN_H

#include "nn/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

// Compute the same as dk_matvec8 for a matrix with plain tables.
void dk_matvec8_plain(const dk_matrix8 *matrix, const int8_t *x, int16_t *y);

#ifdef __cplusplus
}
#endif

#endif
