// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid of two int16 at once, by a table of chords.
#ifndef DREDKIT_SIMD32_CHORDS_H
#define DREDKIT_SIMD32_CHORDS_H

#include <stdint.h>

#include "nn/chords.h"

// Return 3 x of the lower half of a word; dk_triple_high does it for the upper half.
static inline int32_t dk_triple_low(uint32_t pair)
{
    int32_t x;
    __asm__("smulbb %0, %1, %2" : "=r"(x) : "r"(pair), "r"(3));
    return x;
}

static inline int32_t dk_triple_high(uint32_t pair)
{
    int32_t x;
    __asm__("smultb %0, %1, %2" : "=r"(x) : "r"(pair), "r"(3));
    return x;
}

static inline uint32_t dk_upper_halves(uint32_t low, uint32_t high)
{
    uint32_t pair;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(high), "r"(low));
    return pair;
}

static inline uint32_t dk_on_chord(const dk_chord *chord, int32_t x)
{
    int32_t base, slope;
    __asm__("ldrd %0, %1, [%2]" : "=r"(base), "=r"(slope) : "r"(chord), "m"(*chord));
    return (uint32_t)base + (uint32_t)x * (uint32_t)slope;
}

static inline uint32_t dk_tanh_scaled(const dk_chord *middle, int32_t x)
{
    int32_t step;  // saturated: tanh is flat beyond the table's ends
    __asm__("ssat %0, #9, %1, asr #8" : "=r"(step) : "r"(x));
    return dk_on_chord(middle + step, x);
}

static inline uint32_t dk_sigmoid_scaled(const dk_chord *middle, int32_t x)
{
    return dk_on_chord(middle + (x >> 9), x);
}

// Return the chord that begins at 0, for the functions below.
static inline const dk_chord *dk_tanh_middle(void)
{
    const dk_chord *middle = dk_tanh_chords + DK_TANH_MIDDLE;
    __asm__("" : "+r"(middle));  // keep it in a register: gcc would add the offset each time
    return middle;
}

static inline const dk_chord *dk_sigmoid_middle(void)
{
    const dk_chord *middle = dk_sigmoid_chords + DK_SIGMOID_MIDDLE;
    __asm__("" : "+r"(middle));
    return middle;
}

static inline uint32_t dk_tanh_pair(const dk_chord *middle, uint32_t pair)
{
    return dk_upper_halves(dk_tanh_scaled(middle, dk_triple_low(pair)),
                           dk_tanh_scaled(middle, dk_triple_high(pair)));
}

static inline uint32_t dk_sigmoid_pair(const dk_chord *middle, uint32_t pair)
{
    return dk_upper_halves(dk_sigmoid_scaled(middle, dk_triple_low(pair)),
                           dk_sigmoid_scaled(middle, dk_triple_high(pair)));
}

#endif
