// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>

#include "nn/nn.h"

void dk_conv1d_window(int8_t *memory, size_t dilation, const int8_t *x8, size_t count,
                      int8_t *window)
{
    const size_t kept = (dilation - 1) * count;
    memcpy(window, memory, count);
    memcpy(window + count, x8, count);
    memmove(memory, memory + count, kept);
    memcpy(memory + kept, x8, count);
}
