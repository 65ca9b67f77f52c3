// SPDX-License-Identifier: BSD-3-Clause
// Portable conversion of Q15 activations to the int8 inputs of matrix products.
#include "dk_isa.h"

#if defined(DK_ISA_C)

#include "nn/nn.h"

enum { X8_ONE = 127 };  // libopus' int8 activations: 127 stands for 1.0

void dk_narrow(const int16_t *q15, size_t count, int8_t *x8)
{
    for (size_t i = 0; i < count; i++) {
        x8[i] = (int8_t)((q15[i] * X8_ONE + (1 << 14)) >> 15);
    }
}

#endif
