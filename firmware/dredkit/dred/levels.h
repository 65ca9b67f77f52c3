// SPDX-License-Identifier: BSD-3-Clause
// The dead-zone quantiser between values and symbols: quantize/dred/levels.py, to the bit.
#ifndef DREDKIT_DRED_LEVELS_H
#define DREDKIT_DRED_LEVELS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_DRED_THRESHOLD_ROWS 5

// |v| >= k exactly when |y| >= k - 1/2 + c_k(deadzone): c_k in Q16, row k - 1.
extern const uint16_t dk_dred_thresholds[DK_DRED_THRESHOLD_ROWS][256];

// An int32 Q16 value to its symbol, |v| <= 32640: one 32x32 product, no division, no tanh.
int16_t dk_dred_quantise(int32_t value, uint8_t scale, uint8_t deadzone);

// Whether a value surely becomes 0, at the cost of a short product; the few that nearly do not are
// left to dk_dred_quantise.
static inline bool dk_dred_is_small(int32_t value, uint8_t scale)
{
    const uint32_t half = 1U << 23;  // Q24, as the product
    const uint32_t size = value < 0 ? 0U - (uint32_t)value : (uint32_t)value;
    return size < half && size * scale < half;
}

// A symbol to int32 Q16: symbol * 256 / scale, halves up, a scale of 0 read as 1; saturated.
int32_t dk_dred_dequantise(int16_t symbol, uint8_t scale);

// int32 Q16 as a network takes it: int16 with `frac` (0 .. 15) bits, halves up, saturated.
int16_t dk_dred_to_input(int32_t value, unsigned frac);

// What a decoder is told of a chunk's level: level / 8 - 1, as dk_dred_to_input has it.
int16_t dk_dred_level_input(unsigned level, unsigned frac);

#ifdef __cplusplus
}
#endif

#endif
