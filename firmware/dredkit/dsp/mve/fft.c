// SPDX-License-Identifier: BSD-3-Clause
// The vector FFT with integer Helium. Helium has no 64-bit lanes: a product is kept as its upper
// part H and the 31 bits below it, r; the sum of two products is 2^31 H + r with an r of 32 bits.
#include "dk_isa.h"

#if defined(DK_ISA_MVE)

#if !defined(__clang__)
// gcc would load operands long before they are used, and there are only eight vector registers.
#pragma GCC optimize("no-schedule-insns")
#endif

#include <arm_mve.h>

#define FRAC 30

typedef struct {
    int32x4_t upper;
    uint32x4_t lower;
} wide_lanes;

static inline uint32x4_t lower_bits(int32x4_t product)
{
    return vreinterpretq_u32_s32(vbicq_n_s32(product, INT32_MIN));
}

static inline wide_lanes wide_sum(int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y)
{
    const uint32x4_t lower = lower_bits(vmulq_s32(a, x));
    return (wide_lanes){vaddq_s32(vqdmulhq_s32(a, x), vqdmulhq_s32(b, y)),
                        vaddq_u32(lower, lower_bits(vmulq_s32(b, y)))};
}

// Return a x - b y. Here the lower part is signed.
static inline wide_lanes wide_difference(int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y)
{
    const uint32x4_t lower = lower_bits(vmulq_s32(a, x));
    return (wide_lanes){vsubq_s32(vqdmulhq_s32(a, x), vqdmulhq_s32(b, y)),
                        vsubq_u32(lower, lower_bits(vmulq_s32(b, y)))};
}

static inline int32x4_t sum_of(int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y)
{
    const wide_lanes sum = wide_sum(a, x, b, y);
    return vmlaq_n_s32(vreinterpretq_s32_u32(vrshrq_n_u32(sum.lower, FRAC)), sum.upper, 2);
}

static inline int32x4_t difference_of(int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y)
{
    const wide_lanes sum = wide_difference(a, x, b, y);
    return vmlaq_n_s32(vrshrq_n_s32(vreinterpretq_s32_u32(sum.lower), FRAC), sum.upper, 2);
}

static inline int32x4_t sum_alike(int32x4_t a, int32_t x, int32x4_t b, int32_t y)
{
    const int32x4_t upper = vqdmlahq_n_s32(vqdmulhq_n_s32(a, x), b, y);
    const uint32x4_t lower =
        vaddq_u32(lower_bits(vmulq_n_s32(a, x)), lower_bits(vmulq_n_s32(b, y)));
    return vmlaq_n_s32(vreinterpretq_s32_u32(vrshrq_n_u32(lower, FRAC)), upper, 2);
}

// Set bit 30 in each lane where `even` is odd: the part of even 2^30 below even / 2 of 2^31.
static inline uint32x4_t half_of_odd(int32x4_t even)
{
    return vshrq_n_u32(vreinterpretq_u32_s32(vshlq_n_s32(even, 31)), 1);
}

static inline int32x4_t half_sum(int32x4_t even, wide_lanes turned)
{
    const uint32x4_t rest = vaddq_u32(turned.lower, half_of_odd(even));
    const int32x4_t up = vreinterpretq_s32_u32(vrshrq_n_u32(rest, FRAC + 1));
    return vaddq_s32(up, vaddq_s32(turned.upper, vshrq_n_s32(even, 1)));
}

static inline void split_re(int32x4_t even, int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y,
                            int32x4_t *near, int32x4_t *far)
{
    wide_lanes turned = wide_difference(a, x, b, y);
    const int32x4_t lower = vreinterpretq_s32_u32(turned.lower);
    turned.upper = vaddq_s32(turned.upper, vshrq_n_s32(lower, 31));
    turned.lower = lower_bits(lower);
    *near = half_sum(even, turned);
    const uint32x4_t rest = vsubq_u32(half_of_odd(even), turned.lower);
    const int32x4_t up = vrshrq_n_s32(vreinterpretq_s32_u32(rest), FRAC + 1);
    *far = vaddq_s32(up, vsubq_s32(vshrq_n_s32(even, 1), turned.upper));
}

static inline void split_im(int32x4_t even, int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y,
                            int32x4_t *near, int32x4_t *far)
{
    wide_lanes turned = wide_sum(a, x, b, y);
    turned.upper = vaddq_s32(turned.upper, vreinterpretq_s32_u32(vshrq_n_u32(turned.lower, 31)));
    turned.lower = lower_bits(vreinterpretq_s32_u32(turned.lower));
    *near = half_sum(even, turned);
    const uint32x4_t rest = vsubq_u32(turned.lower, half_of_odd(even));
    const int32x4_t up = vrshrq_n_s32(vreinterpretq_s32_u32(rest), FRAC + 1);
    *far = vaddq_s32(up, vsubq_s32(turned.upper, vshrq_n_s32(even, 1)));
}

static inline void get_backwards(const int32_t *x, int32x4_t *re, int32x4_t *im)
{
    const uint32x4_t places = vddupq_n_u32(24, 8);
    *re = vldrwq_gather_offset_s32(x, places);
    *im = vldrwq_gather_offset_s32(x + 1, places);
}

static inline void put_backwards(int32_t *x, int32x4_t re, int32x4_t im)
{
    const uint32x4_t places = vddupq_n_u32(24, 8);
    vstrwq_scatter_offset_s32(x, places, re);
    vstrwq_scatter_offset_s32(x + 1, places, im);
}

#include "dsp/fft_lanes.h"

void dk_real_fft(int32_t x[DK_FFT_POINTS], dk_complex bins[DK_FFT_BINS])
{
    real_fft(x, bins);
}

#endif
