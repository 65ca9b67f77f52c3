// SPDX-License-Identifier: BSD-3-Clause
// The element-wise part of a gated recurrent unit with integer Helium, eight units at once.
#include "dk_isa.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

#include "nn/mve/chords.h"
#include "nn/mve/products.h"
#include "nn/nn.h"

enum { LANES = 8 };

static inline int16x8_t next_state(const int16_t *input, const int16_t *recurrent, size_t count,
                                   int16x8_t state, mve_pred16_t lanes)
{
    const int16_t *of_r = input + count, *of_h = of_r + count;
    const int16_t *from_r = recurrent + count, *from_h = from_r + count;
    const int16x8_t r =
        dk_sigmoid_eight(vqaddq_s16(vldrhq_z_s16(of_r, lanes), vldrhq_z_s16(from_r, lanes)));
    const int16x8_t h = dk_tanh_eight(
        vqaddq_s16(vldrhq_z_s16(of_h, lanes), dk_multiplied(r, vldrhq_z_s16(from_h, lanes))));
    const int16x8_t z =
        dk_sigmoid_eight(vqaddq_s16(vldrhq_z_s16(input, lanes), vldrhq_z_s16(recurrent, lanes)));
    const int16x8_t rest = vsubq_s16(vdupq_n_s16(INT16_MAX), z);
    return vqaddq_s16(dk_multiplied(z, state), dk_multiplied(rest, h));
}

void dk_gru_update(int16_t *gates, size_t count, int16_t *state)
{
    const int16_t *recurrent = gates + 3 * count;
    for (size_t i = 0; i < count; i += LANES) {
        const mve_pred16_t lanes = vctp16q((uint32_t)(count - i));
        const int16x8_t now =
            next_state(gates + i, recurrent + i, count, vldrhq_z_s16(state + i, lanes), lanes);
        vstrhq_p_s16(state + i, now, lanes);
    }
}

#endif
