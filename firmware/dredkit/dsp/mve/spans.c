// SPDX-License-Identifier: BSD-3-Clause
// Peak, energy, products and scaling of spans with integer Helium, four samples an instruction:
// Cortex-M55 and M85.
#include "dsp/spans.h"

#if defined(DK_ISA_MVE)

#include <arm_mve.h>

uint32_t dk_peak32(const int32_t *x, size_t count)
{
    uint32_t peak = 0;
    for (const int32_t *end = x + count; x < end; x += 4) {
        peak = vmaxavq_s32(peak, vldrwq_s32(x));
    }
    return peak;
}

uint64_t dk_energy32(const int32_t *x, size_t count, int down)
{
    int64_t energy = 0;
    for (const int32_t *end = x + count; x < end; x += 4) {
        const int32x4_t four = vshlq_r_s32(vldrwq_s32(x), -down);
        energy = vmlaldavaq_s32(energy, four, four);
    }
    return (uint64_t)energy;
}

int64_t dk_dot32(const int32_t *a, const int32_t *b, size_t count, int down)
{
    int64_t sum = 0;
    for (; count >= 4; count -= 4, a += 4, b += 4) {
        const int32x4_t x = vshlq_r_s32(vldrwq_s32(a), -down);
        sum = vmlaldavaq_s32(sum, x, vshlq_r_s32(vldrwq_s32(b), -down));
    }
    for (; count > 0; count--) {
        sum += (int64_t)(*a++ >> down) * (*b++ >> down);
    }
    return sum;
}

void dk_scale16(const int32_t *x, size_t count, int shift, int16_t *y)
{
    for (const int32_t *end = x + count; x < end; x += 4, y += 4) {
        vstrhq_s32(y, vrshlq_n_s32(vldrwq_s32(x), -shift));
    }
}

#endif
