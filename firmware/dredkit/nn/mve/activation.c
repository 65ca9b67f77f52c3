// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid with integer Helium: eight values at once, with gathered chords.
#include "dk_isa.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

#include "nn/mve/chords.h"
#include "nn/nn.h"

enum { LANES = 8 };

void dk_tanh(int16_t *values, size_t count)
{
    for (const int16_t *end = values + count / LANES * LANES; values < end; values += LANES) {
        vstrhq_s16(values, dk_tanh_eight(vldrhq_s16(values)));
    }
    const mve_pred16_t rest = vctp16q((uint32_t)(count % LANES));
    vstrhq_p_s16(values, dk_tanh_eight(vldrhq_z_s16(values, rest)), rest);
}

void dk_sigmoid(int16_t *values, size_t count)
{
    for (const int16_t *end = values + count / LANES * LANES; values < end; values += LANES) {
        vstrhq_s16(values, dk_sigmoid_eight(vldrhq_s16(values)));
    }
    const mve_pred16_t rest = vctp16q((uint32_t)(count % LANES));
    vstrhq_p_s16(values, dk_sigmoid_eight(vldrhq_z_s16(values, rest)), rest);
}

#endif
