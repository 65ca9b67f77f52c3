// SPDX-License-Identifier: BSD-3-Clause
// Normalisation of correlations with NEON: Cortex-A. NEON cannot divide vectors, so four quotients
// at once are computed by reciprocals.
#include "dsp/normalise.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

// Return n / d, cut, for d with 16 bits and n below 2^31; at most 2^16. For each d the reciprocal
// is at most 2^46 / d, and too small by at most 2^-16.9 of it; so a quotient is too small by at
// most 1, which the last lines correct.
static inline uint32x4_t quotients(uint32x4_t n, uint32x4_t d)
{
    const int32x4_t one = vdupq_n_s32(1 << 30);
    const int32x4_t half = vreinterpretq_s32_u32(vshlq_n_u32(d, 15));
    const uint32x4_t guess = vrecpeq_u32(vshlq_n_u32(d, 16));  // 2^47 / d, 8 bits
    const int32x4_t near = vreinterpretq_s32_u32(vshrq_n_u32(guess, 1));
    const int32x4_t off = vsubq_s32(one, vqdmulhq_s32(near, half));  // 2^30 (1 - near d / 2^46)
    const int32x4_t reciprocal = vaddq_s32(near, vqdmulhq_s32(near, vaddq_s32(off, off)));
    const int32x4_t q = vshrq_n_s32(vqdmulhq_s32(vreinterpretq_s32_u32(n), reciprocal), 15);
    const uint32x4_t rest = vmlsq_u32(n, vreinterpretq_u32_s32(q), d);
    return vsubq_u32(vreinterpretq_u32_s32(q), vcgeq_u32(rest, d));
}

static inline int16x4_t normalised(int32x4_t dots, uint32x4_t energies)
{
    const int32x4_t up = vreinterpretq_s32_u32(vclzq_u32(energies));
    const uint32x4_t d = vshrq_n_u32(vshlq_u32(energies, up), 16);
    const uint32x4_t n = vshlq_u32(vreinterpretq_u32_s32(vabsq_s32(dots)), up);
    const uint32x4_t q = vminq_u32(quotients(n, d), vdupq_n_u32(INT16_MAX));
    const int32x4_t sign = vshrq_n_s32(dots, 31);
    return vmovn_s32(vsubq_s32(veorq_s32(vreinterpretq_s32_u32(q), sign), sign));
}

// Return what each of four lags adds to the energy of the next lag.
static inline uint32x4_t changes(int16x4_t enters, int16x4_t leaves)
{
    return vreinterpretq_u32_s32(vmlsl_s16(vmull_s16(enters, enters), leaves, leaves));
}

// Return the energies of four lags, and set all lanes of *energy to the energy of the next lag.
static inline uint32x4_t energies_of(uint32x4_t *energy, uint32x4_t change)
{
    const uint32x4_t zero = vdupq_n_u32(0);
    uint32x4_t sums = vaddq_u32(change, vextq_u32(zero, change, 3));
    sums = vaddq_u32(sums, vextq_u32(zero, sums, 2));
    const uint32x4_t these = vaddq_u32(*energy, vextq_u32(zero, sums, 3));
    *energy = vaddq_u32(*energy, vdupq_lane_u32(vget_high_u32(sums), 1));
    return these;
}

void dk_normalise16(const int16_t past[DK_CORRELATE_SAMPLES + DK_CORRELATE_LAGS], uint32_t energy,
                    const int32_t dots[DK_CORRELATE_LAGS], int16_t out[DK_CORRELATE_LAGS])
{
    uint32x4_t now = vdupq_n_u32(energy);
    for (int i = 0; i < DK_CORRELATE_LAGS; i += 8) {
        const int16x8_t enters = vld1q_s16(past + i + DK_CORRELATE_SAMPLES);
        const int16x8_t leaves = vld1q_s16(past + i);
        const uint32x4_t first =
            energies_of(&now, changes(vget_low_s16(enters), vget_low_s16(leaves)));
        const uint32x4_t second =
            energies_of(&now, changes(vget_high_s16(enters), vget_high_s16(leaves)));
        vst1q_s16(out + i, vcombine_s16(normalised(vld1q_s32(dots + i), first),
                                        normalised(vld1q_s32(dots + i + 4), second)));
    }
}

#endif
