// SPDX-License-Identifier: BSD-3-Clause
// The element-wise part of a gated recurrent unit with NEON, eight units at once.
#include "dk_isa.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

#include "nn/fixed.h"
#include "nn/neon/chords.h"
#include "nn/neon/products.h"
#include "nn/nn.h"

enum { LANES = 8 };

static inline int16x8_t sum(const int16_t *a, const int16_t *b)
{
    return vqaddq_s16(vld1q_s16(a), vld1q_s16(b));
}

static inline int16x8_t next_eight(const int16_t *input, const int16_t *recurrent, size_t count,
                                   int16x8_t state)
{
    const int16_t *of_r = input + count, *of_h = of_r + count;
    const int16_t *from_r = recurrent + count, *from_h = from_r + count;
    const int16x8_t r = dk_sigmoid_eight(sum(of_r, from_r));
    const int16x8_t of_state = dk_multiplied(r, vld1q_s16(from_h));
    const int16x8_t h = dk_tanh_eight(vqaddq_s16(vld1q_s16(of_h), of_state));
    const int16x8_t z = dk_sigmoid_eight(sum(input, recurrent));
    const int16x8_t rest = vsubq_s16(vdupq_n_s16(INT16_MAX), z);
    return vqaddq_s16(dk_multiplied(z, state), dk_multiplied(rest, h));
}

static int16_t next_one(const int16_t *input, const int16_t *recurrent, size_t count, int16_t state)
{
    const int16_t r = dk_sigmoid_one(dk_add16(input[count], recurrent[count]));
    const int16_t of_state = dk_mul_q15(r, recurrent[2 * count]);
    const int16_t h = dk_tanh_one(dk_add16(input[2 * count], of_state));
    const int16_t z = dk_sigmoid_one(dk_add16(input[0], recurrent[0]));
    const int16_t rest = (int16_t)(INT16_MAX - z);
    return dk_add16(dk_mul_q15(z, state), dk_mul_q15(rest, h));
}

void dk_gru_update(int16_t *gates, size_t count, int16_t *state)
{
    const int16_t *recurrent = gates + 3 * count;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        const int16x8_t now = next_eight(gates + i, recurrent + i, count, vld1q_s16(state + i));
        vst1q_s16(state + i, now);
    }
    for (; i < count; i++) {
        state[i] = next_one(gates + i, recurrent + i, count, state[i]);
    }
}

#endif
