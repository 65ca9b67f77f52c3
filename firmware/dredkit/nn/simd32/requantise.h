// SPDX-License-Identifier: BSD-3-Clause
// dk_requantise in 32 bits, with constants prepared once for a row.
//
// For a shift s of 17 or more, (acc * m + 2^(s-1)) >> s = (((acc * m) >> 16) + 2^(s-17)) >> (s-16):
// the 16 bits dropped first cannot carry, and the upper word of acc * (m * 2^16) does that first
// shift. For a smaller s, acc is first shifted left until s is 17; the quantiser has proved that
// there is room for it.
#ifndef DREDKIT_SIMD32_REQUANTISE_H
#define DREDKIT_SIMD32_REQUANTISE_H

#include <stdint.h>

typedef struct {
    int32_t factor;
    int32_t half;
    uint32_t up;
    uint32_t down;
} dk_requantiser;

static inline dk_requantiser dk_requantiser_of(int16_t multiplier, uint8_t shift)
{
    const uint32_t least = 17, eased = shift > least ? shift : least;
    return (dk_requantiser){multiplier * (1 << 16), 1 << (eased - least), eased - shift,
                            eased - 16};
}

static inline int16_t dk_requantised(int32_t acc, dk_requantiser by)
{
    int32_t y;
    __asm__("smmul %0, %1, %2" : "=r"(y) : "r"((int32_t)((uint32_t)acc << by.up)), "r"(by.factor));
    return (int16_t)__builtin_arm_ssat((y + by.half) >> by.down, 16);
}

#endif
