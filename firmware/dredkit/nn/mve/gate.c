// SPDX-License-Identifier: BSD-3-Clause
// The second half of a gated linear unit with integer Helium, eight values at once.
#include "dk_isa.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

#include "nn/mve/products.h"
#include "nn/nn.h"

enum { LANES = 8 };

void dk_gate(int16_t *gates, const int16_t *x, size_t count)
{
    for (size_t i = 0; i < count; i += LANES) {
        const mve_pred16_t lanes = vctp16q((uint32_t)(count - i));
        const int16x8_t products =
            dk_multiplied(vldrhq_z_s16(gates + i, lanes), vldrhq_z_s16(x + i, lanes));
        vstrhq_p_s16(gates + i, products, lanes);
    }
}

#endif
