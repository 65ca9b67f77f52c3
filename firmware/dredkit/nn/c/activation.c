// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid of int16 from one table with linear interpolation, like TFLite's int16 kernels.
#include "dk_isa.h"

#if defined(DK_ISA_C)

#include <stdlib.h>

#include "nn/nn.h"
#include "nn/sigmoid_table.h"

// Read the table at `position` steps of 2^-bits. Returns Q16 with `bits` more fractional bits, or
// `beyond` past the table's end.
static int32_t interpolate(uint32_t position, uint32_t bits, int32_t beyond)
{
    const uint32_t step = position >> bits;
    if (step >= DK_SIGMOID_LAST) {
        return beyond;
    }
    const int32_t low = dk_sigmoid_table[step];
    const int32_t high = dk_sigmoid_table[step + 1];
    const int32_t fraction = (int32_t)(position & ((1U << bits) - 1U));
    return (int32_t)((uint32_t)low << bits) + fraction * (high - low);
}

void dk_tanh(int16_t *values, size_t count)
{
    const int32_t one_half = 1 << 23;
    const int32_t rounding = 1 << 7;
    for (size_t i = 0; i < count; i++) {
        // tanh(x) = 2 sigmoid(2x) - 1: Q12 * 3 / 2^8 counts steps of 1/48 in x.
        const int32_t x = values[i];
        const int32_t y = interpolate((uint32_t)(3 * abs(x)), 8, 0xFFFF << 8) - one_half;
        values[i] = (int16_t)((x >= 0 ? y + rounding : -y + rounding - 1) >> 8);
    }
}

void dk_sigmoid(int16_t *values, size_t count)
{
    const int32_t one = 1 << 25;
    const int32_t rounding = 1 << 9;
    for (size_t i = 0; i < count; i++) {
        const int32_t x = values[i];
        const int32_t y = interpolate((uint32_t)(3 * abs(x)), 9, 0x7FFF << 10);
        values[i] = (int16_t)((x >= 0 ? y + rounding : one - y + rounding - 1) >> 10);
    }
}

#endif
