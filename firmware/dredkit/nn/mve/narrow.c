// SPDX-License-Identifier: BSD-3-Clause
// Conversion of Q15 activations to the int8 inputs of matrix products with integer Helium: a
// doubling and rounding multiplication by 127 drops exactly 15 bits.
#include "dk_isa.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

#include "nn/nn.h"

enum { X8_ONE = 127, LANES = 8 };

void dk_narrow(const int16_t *q15, size_t count, int8_t *x8)
{
    for (const int16_t *end = q15 + count / LANES * LANES; q15 < end; q15 += LANES, x8 += LANES) {
        vstrbq_s16(x8, vqrdmulhq_n_s16(vldrhq_s16(q15), X8_ONE));
    }
    const mve_pred16_t rest = vctp16q((uint32_t)(count % LANES));
    vstrbq_p_s16(x8, vqrdmulhq_n_s16(vldrhq_z_s16(q15, rest), X8_ONE), rest);
}

#endif
