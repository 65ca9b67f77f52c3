// SPDX-License-Identifier: BSD-3-Clause
// tanh and sigmoid with integer Helium: four values at once, the table read by gathering.
#include <arm_mve.h>

#include "nn/nn.h"
#include "nn/sigmoid_table.h"

enum { LANES = 4, STEP_LIMIT = DK_SIGMOID_LAST - 1 };

// Read the table at `position` steps of 2^-bits, lanes beyond its end as `beyond`: Q16 with `bits`
// more fractional bits.
static inline int32x4_t interpolate(uint32x4_t position, int bits, int32_t beyond)
{
    const uint32x4_t step = vshlq_u32(position, vdupq_n_s32(-bits));
    const uint32x4_t inside = vminq_u32(step, vdupq_n_u32(STEP_LIMIT));
    const uint32x4_t low = vldrhq_gather_shifted_offset_u32(dk_sigmoid_table, inside);
    const uint32x4_t high = vldrhq_gather_shifted_offset_u32(dk_sigmoid_table + 1, inside);
    const uint32x4_t fraction = vandq_u32(position, vdupq_n_u32((1U << bits) - 1U));
    const uint32x4_t base = vshlq_u32(low, vdupq_n_s32(bits));
    const uint32x4_t value = vaddq_u32(base, vmulq_u32(fraction, vsubq_u32(high, low)));
    const mve_pred16_t is_inside = vcmpeqq_u32(step, inside);
    return vpselq_s32(vreinterpretq_s32_u32(value), vdupq_n_s32(beyond), is_inside);
}

// 3 |x|: in steps of the table, times 2^8 for tanh (the table holds sigmoid(2x)), 2^9 for sigmoid.
static inline uint32x4_t position_of(int32x4_t x)
{
    return vreinterpretq_u32_s32(vmulq_n_s32(vabsq_s32(x), 3));
}

void dk_tanh(int16_t *values, size_t count)
{
    for (size_t i = 0; i < count; i += LANES) {
        const mve_pred16_t lanes = vctp32q((uint32_t)(count - i));
        const int32x4_t x = vldrhq_z_s32(values + i, lanes);
        const int32x4_t sigmoid = interpolate(position_of(x), 8, 0xFFFF << 8);
        const int32x4_t y = vsubq_n_s32(sigmoid, 1 << 23);
        // For a negative x: -y, and one less to round the other way.
        const int32x4_t sign = vshrq_n_s32(x, 31);
        const int32x4_t rounded = vaddq_n_s32(veorq_s32(y, sign), 1 << 7);
        vstrhq_p_s32(values + i, vshrq_n_s32(rounded, 8), lanes);
    }
}

void dk_sigmoid(int16_t *values, size_t count)
{
    for (size_t i = 0; i < count; i += LANES) {
        const mve_pred16_t lanes = vctp32q((uint32_t)(count - i));
        const int32x4_t x = vldrhq_z_s32(values + i, lanes);
        const int32x4_t y = interpolate(position_of(x), 9, 0x7FFF << 10);
        // For a negative x: 1 - y, and one less to round the other way.
        const int32x4_t sign = vshrq_n_s32(x, 31);
        const int32x4_t flipped =
            vaddq_s32(veorq_s32(y, sign), vandq_s32(sign, vdupq_n_s32(1 << 25)));
        const int32x4_t rounded = vaddq_n_s32(flipped, 1 << 9);
        vstrhq_p_s32(values + i, vshrq_n_s32(rounded, 10), lanes);
    }
}
