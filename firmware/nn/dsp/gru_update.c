// SPDX-License-Identifier: BSD-3-Clause
// The element-wise part of a gated recurrent unit, two units at once and in one pass.
#include <arm_acle.h>

#include "nn/dsp/chords.h"
#include "nn/dsp/pairs.h"
#include "nn/nn.h"

// The two roundings of the element-wise product of p = a b act as (p + 2^14 + 1) >> 15 where
// p >= 0, as (p + 2^14 - 1) >> 15 where it is negative. With q = p + 2^14 - 1 that is
// (q + 2) >> 15 where q >= 0, and q >> 15 elsewhere; where the signs of p and q differ, both are 0.
static inline int32_t rounded(int32_t q)
{
    int32_t two;  // or zero
    __asm("bic %0, %1, %2, asr #31" : "=r"(two) : "r"(2), "r"(q));
    return q + two;
}

static inline uint32_t multiplied(uint32_t a, uint32_t b)
{
    const int32_t below_half = (1 << 14) - 1;
    const int32_t low = rounded(__smlabb((int32_t)a, (int32_t)b, below_half));
    const int32_t high = rounded(__smlatt((int32_t)a, (int32_t)b, below_half));
    uint32_t pair;
    __asm("pkhbt %0, %1, %2, lsl #1" : "=r"(pair) : "r"(low >> 15), "r"(high));
    return pair;
}

static inline uint32_t added(uint32_t a, uint32_t b)
{
    return (uint32_t)__qadd16((int16x2_t)a, (int16x2_t)b);
}

typedef struct {
    const dk_chord *sigmoid;
    const dk_chord *tanh;
} curves_t;

typedef struct {
    uint32_t z;
    uint32_t r;
    uint32_t h;
} gates_t;

static inline uint32_t next_state(gates_t input, gates_t recurrent, uint32_t state, curves_t curves)
{
    const uint32_t r = dk_sigmoid_pair(curves.sigmoid, added(input.r, recurrent.r));
    const uint32_t h = dk_tanh_pair(curves.tanh, added(input.h, multiplied(r, recurrent.h)));
    const uint32_t z = dk_sigmoid_pair(curves.sigmoid, added(input.z, recurrent.z));
    const uint32_t rest = ~(z | 0x80008000U);  // 32767 - z, as z is 0 .. 32767
    return added(multiplied(z, state), multiplied(rest, h));
}

static inline gates_t gates_at(const int16_t *z, size_t count)
{
    __asm("" : "+r"(count));  // three addresses from two registers: gcc would keep three
    return (gates_t){dk_pair(z), dk_pair(z + count), dk_pair(z + 2 * count)};
}

// NOLINTNEXTLINE(readability-non-const-parameter): other kernels use the gates as scratch
void dk_gru_update(int16_t *gates, size_t count, int16_t *state)
{
    const curves_t curves = {dk_sigmoid_middle(), dk_tanh_middle()};
    const int16_t *input = gates, *recurrent = gates + 3 * count;
    for (const int16_t *end = gates + count / 2 * 2; input < end; input += 2, recurrent += 2) {
        const uint32_t now =
            next_state(gates_at(input, count), gates_at(recurrent, count), dk_pair(state), curves);
        dk_put_pair(state, now);
        state += 2;
    }
    if (count % 2 > 0) {
        const gates_t a = {(uint16_t)input[0], (uint16_t)input[count], (uint16_t)input[2 * count]};
        const gates_t b = {(uint16_t)recurrent[0], (uint16_t)recurrent[count],
                           (uint16_t)recurrent[2 * count]};
        *state = (int16_t)next_state(a, b, (uint16_t)*state, curves);
    }
}
