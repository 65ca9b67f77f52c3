// SPDX-License-Identifier: BSD-3-Clause
// The element-wise part of a gated recurrent unit with SIMD32, two units at once and in one pass.
#include "dk_isa.h"

#if defined(DK_ISA_SIMD32)

#include <arm_acle.h>

#include "nn/nn.h"
#include "nn/simd32/chords.h"
#include "nn/simd32/pairs.h"
#include "nn/simd32/products.h"

static inline uint32_t added(uint32_t a, uint32_t b)
{
    return (uint32_t)__qadd16((int16x2_t)a, (int16x2_t)b);
}

typedef struct {
    const dk_chord *sigmoid;
    const dk_chord *tanh;
} curve_pair;

typedef struct {
    uint32_t z;
    uint32_t r;
    uint32_t h;
} gate_pairs;

static inline uint32_t next_state(gate_pairs input, gate_pairs recurrent, uint32_t state,
                                  curve_pair curves)
{
    const uint32_t r = dk_sigmoid_pair(curves.sigmoid, added(input.r, recurrent.r));
    const uint32_t h = dk_tanh_pair(curves.tanh, added(input.h, dk_multiplied(r, recurrent.h)));
    const uint32_t z = dk_sigmoid_pair(curves.sigmoid, added(input.z, recurrent.z));
    const uint32_t rest = ~(z | 0x80008000U);  // 32767 - z, as z is 0 .. 32767
    return added(dk_multiplied(z, state), dk_multiplied(rest, h));
}

static inline gate_pairs gates_at(const int16_t *z, size_t count)
{
    __asm__("" : "+r"(count));  // form three addresses from two registers: gcc would keep three
    return (gate_pairs){dk_pair(z), dk_pair(z + count), dk_pair(z + 2 * count)};
}

// NOLINTNEXTLINE(readability-non-const-parameter): other kernels use the gates as scratch
void dk_gru_update(int16_t *gates, size_t count, int16_t *state)
{
    const curve_pair curves = {dk_sigmoid_middle(), dk_tanh_middle()};
    const int16_t *input = gates, *recurrent = gates + 3 * count;
    for (const int16_t *end = gates + count / 2 * 2; input < end; input += 2, recurrent += 2) {
        const uint32_t now =
            next_state(gates_at(input, count), gates_at(recurrent, count), dk_pair(state), curves);
        dk_put_pair(state, now);
        state += 2;
    }
    if (count % 2 > 0) {
        const gate_pairs a = {(uint16_t)input[0], (uint16_t)input[count],
                              (uint16_t)input[2 * count]};
        const gate_pairs b = {(uint16_t)recurrent[0], (uint16_t)recurrent[count],
                              (uint16_t)recurrent[2 * count]};
        *state = (int16_t)next_state(a, b, (uint16_t)*state, curves);
    }
}

#endif
