// SPDX-License-Identifier: BSD-3-Clause
// Loads and stores of two int16 as a word, at any address that is even.
#ifndef DREDKIT_SIMD32_PAIRS_H
#define DREDKIT_SIMD32_PAIRS_H

#include <stdint.h>
#include <string.h>

static inline uint32_t dk_pair(const int16_t *x)
{
    uint32_t pair;
    memcpy(&pair, x, sizeof pair);  // a word load; unaligned at odd indices
    return pair;
}

static inline void dk_put_pair(int16_t *x, uint32_t pair)
{
    memcpy(x, &pair, sizeof pair);
}

#endif
