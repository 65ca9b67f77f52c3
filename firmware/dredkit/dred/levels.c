// SPDX-License-Identifier: BSD-3-Clause
// The dead-zone quantiser and its inverse.
#include "dred/levels.h"

int16_t dk_dred_quantise(int32_t value, uint8_t scale, uint8_t deadzone)
{
    int64_t product = (int64_t)value * scale;  // Q24, exact
    // A negative value on a threshold rounds towards zero, as in floor(y + 1/2).
    product = product < 0 ? -product - 1 : product;
    const uint32_t size = (uint32_t)(product >> 8);  // |y| in Q16, at most 255 * 2^23
    const uint32_t nearest = (size + 0x8000u) >> 16;
    if (nearest == 0) {
        return 0;
    }
    const uint32_t beyond = (size + 0x8000u) & 0xffffu;  // |y| - (nearest - 1/2)
    const uint32_t threshold = nearest <= DK_DRED_THRESHOLD_ROWS
                                   ? dk_dred_thresholds[nearest - 1][deadzone]
                                   : (uint32_t)deadzone << 8;
    const int32_t magnitude = (int32_t)nearest - (beyond < threshold ? 1 : 0);
    return (int16_t)(value < 0 ? -magnitude : magnitude);
}

int32_t dk_dred_dequantise(int16_t symbol, uint8_t scale)
{
    const int32_t divisor = scale > 0 ? scale : 1;
    // symbol * 2^24 / divisor = 2^16 * quotient + 2^16 * remainder / divisor, in 32-bit divisions.
    const int32_t numerator = symbol * 256;
    int32_t quotient = numerator / divisor;
    int32_t remainder = numerator % divisor;
    if (remainder < 0) {
        remainder += divisor;
        quotient -= 1;
    }
    if (quotient > INT16_MAX) {
        return INT32_MAX;
    }
    if (quotient < INT16_MIN) {
        return INT32_MIN;
    }
    const int32_t fraction = (2 * (remainder << 16) + divisor) / (2 * divisor);
    return quotient * 65536 + fraction;
}

int16_t dk_dred_to_input(int32_t value, unsigned frac)
{
    const unsigned shift = 16 - frac;
    const int32_t half = (value >> (shift - 1)) & 1;  // a sum would overflow near the end of int32
    const int32_t rounded = (value >> shift) + half;
    return (int16_t)(rounded > INT16_MAX ? INT16_MAX : rounded < INT16_MIN ? INT16_MIN : rounded);
}

int16_t dk_dred_level_input(unsigned level, unsigned frac)
{
    return dk_dred_to_input(((int32_t)level - 8) * (1 << 13), frac);
}
