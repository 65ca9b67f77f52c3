// SPDX-License-Identifier: BSD-3-Clause
// The window of a causal convolution over time, for all ISAs.
#include <string.h>

#include "nn/nn.h"

void dk_conv1d_window(void *memory, size_t taps, size_t dilation, const void *x, size_t bytes,
                      void *window)
{
    uint8_t *past = memory;
    uint8_t *out = window;
    for (size_t tap = 0; tap + 1 < taps; tap++) {
        memcpy(out, past + tap * dilation * bytes, bytes);
        out += bytes;
    }
    memcpy(out, x, bytes);
    const size_t kept = ((taps - 1) * dilation - 1) * bytes;
    memmove(past, past + bytes, kept);
    memcpy(past + kept, x, bytes);
}
