// SPDX-License-Identifier: BSD-3-Clause
// Two int16 as a word, wherever they lie.
#ifndef DREDKIT_DSP_PAIRS_H
#define DREDKIT_DSP_PAIRS_H

#include <stdint.h>
#include <string.h>

static inline uint32_t dk_pair(const int16_t *x)
{
    uint32_t pair;
    memcpy(&pair, x, sizeof pair);  // a word load, at odd places an unaligned one
    return pair;
}

static inline void dk_put_pair(int16_t *x, uint32_t pair)
{
    memcpy(x, &pair, sizeof pair);
}

#endif
