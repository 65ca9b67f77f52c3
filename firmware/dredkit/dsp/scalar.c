// SPDX-License-Identifier: BSD-3-Clause
// Logarithm, power and reciprocal square root by tables of chords.
#include "dsp/scalar.h"

#define PART 12  // bits of a position on a chord
#define PART_MASK ((1U << PART) - 1)

int32_t dk_log2(uint64_t x)
{
    const int n = dk_bits64(x) - 1;
    const uint32_t mantissa = (uint32_t)dk_scaled(x, n - 31);
    const uint32_t step = mantissa >> 25 & 63;
    const int32_t part = (int32_t)(mantissa >> (25 - PART) & PART_MASK);
    const int32_t low = dk_log_table[step];
    const int32_t rise = dk_log_table[step + 1] - low;
    return n * (1 << DK_LOG_FRAC) + low + ((rise * part + (1 << (PART - 1))) >> PART);
}

uint32_t dk_exp2(uint32_t fraction)
{
    const uint32_t step = fraction >> 18;
    const uint32_t part = fraction >> (18 - PART) & PART_MASK;
    const uint32_t low = dk_exp_table[step];
    return low + (uint32_t)((uint64_t)(dk_exp_table[step + 1] - low) * part >> PART);
}

uint32_t dk_rsqrt(uint32_t mantissa)
{
    const uint32_t step = (mantissa >> 26) - 16;
    const int32_t part = (int32_t)(mantissa >> (26 - PART) & PART_MASK);
    const int32_t low = dk_rsqrt_table[step];
    const uint32_t guess = (uint32_t)(low + ((dk_rsqrt_table[step + 1] - low) * part >> PART));
    const uint32_t product = (uint32_t)((uint64_t)mantissa * (guess * guess) >> 32);
    return (uint32_t)((uint64_t)guess * (3 * (1U << 30) - product) >> 16);
}
