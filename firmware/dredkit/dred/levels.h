// SPDX-License-Identifier: BSD-3-Clause
// The dead-zone quantiser between values and symbols. quantize/dred/levels.py defines it to the
// bit.
#ifndef DREDKIT_DRED_LEVELS_H
#define DREDKIT_DRED_LEVELS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_DRED_THRESHOLD_ROWS 5

// |v| >= k exactly if |y| >= k - 1/2 + c_k(deadzone). Row k - 1 holds c_k in Q16.
extern const uint16_t dk_dred_thresholds[DK_DRED_THRESHOLD_ROWS][256];

// Return the symbol of an int32 Q16 value; |symbol| <= 32640. One 32x32 product, no division and no
// tanh.
int16_t dk_dred_quantise(int32_t value, uint8_t scale, uint8_t deadzone);

// Return whether a value certainly becomes 0, at the cost of a short product. If not,
// dk_dred_quantise decides; it still gives 0 for a few of these values.
static inline bool dk_dred_is_small(int32_t value, uint8_t scale)
{
    const uint32_t half = 1U << 23;  // Q24, like the product
    const uint32_t size = value < 0 ? 0U - (uint32_t)value : (uint32_t)value;
    return size < half && size * scale < half;
}

// Return a symbol's int32 Q16 value: symbol * 256 / scale, halves rounded up, saturated. A scale of
// 0 counts as 1.
int32_t dk_dred_dequantise(int16_t symbol, uint8_t scale);

// Convert int32 Q16 to a network's input: int16 with `frac` (0 .. 15) fractional bits, halves
// rounded up, saturated.
int16_t dk_dred_to_input(int32_t value, unsigned frac);

// Return the decoder's input for a chunk's level: level / 8 - 1, in dk_dred_to_input's format.
int16_t dk_dred_level_input(unsigned level, unsigned frac);

#ifdef __cplusplus
}
#endif

#endif
