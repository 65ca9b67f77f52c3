// SPDX-License-Identifier: BSD-3-Clause
// The vector FFT with NEON: sums of 64 bits, two products an instruction; narrowing also rounds.
#include "dk_isa.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>

#define FRAC 30

// The halves of four 64-bit sums.
typedef struct {
    int64x2_t low;
    int64x2_t high;
} wide_lanes;

#if defined(__aarch64__)
#define HIGH(operation, sum, x, y) operation##_high_s32(sum, x, y)
#define HIGH_PRODUCT(x, y) vmull_high_s32(x, y)
#define NARROW(sums, shift) vrshrn_high_n_s64(vrshrn_n_s64((sums).low, shift), (sums).high, shift)
#else
#define HIGH(operation, sum, x, y) operation##_s32(sum, vget_high_s32(x), vget_high_s32(y))
#define HIGH_PRODUCT(x, y) vmull_s32(vget_high_s32(x), vget_high_s32(y))
#define NARROW(sums, shift) \
    vcombine_s32(vrshrn_n_s64((sums).low, shift), vrshrn_n_s64((sums).high, shift))
#endif

static inline wide_lanes product(int32x4_t x, int32x4_t y)
{
    return (wide_lanes){vmull_s32(vget_low_s32(x), vget_low_s32(y)), HIGH_PRODUCT(x, y)};
}

static inline wide_lanes wide_sum(int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y)
{
    const wide_lanes ax = product(a, x);
    return (wide_lanes){vmlal_s32(ax.low, vget_low_s32(b), vget_low_s32(y)),
                        HIGH(vmlal, ax.high, b, y)};
}

static inline wide_lanes wide_difference(int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y)
{
    const wide_lanes ax = product(a, x);
    return (wide_lanes){vmlsl_s32(ax.low, vget_low_s32(b), vget_low_s32(y)),
                        HIGH(vmlsl, ax.high, b, y)};
}

static inline int32x4_t sum_of(int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y)
{
    const wide_lanes sum = wide_sum(a, x, b, y);
    return NARROW(sum, FRAC);
}

static inline int32x4_t difference_of(int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y)
{
    const wide_lanes difference = wide_difference(a, x, b, y);
    return NARROW(difference, FRAC);
}

static inline int32x4_t sum_alike(int32x4_t a, int32_t x, int32x4_t b, int32_t y)
{
    return sum_of(a, vdupq_n_s32(x), b, vdupq_n_s32(y));
}

static inline int32x4_t backwards(int32x4_t x)
{
    const int32x4_t pairs = vrev64q_s32(x);
    return vextq_s32(pairs, pairs, 2);
}

static inline wide_lanes widened(int32x4_t x)
{
    return (wide_lanes){vshll_n_s32(vget_low_s32(x), FRAC), vshll_n_s32(vget_high_s32(x), FRAC)};
}

static inline int32x4_t half_sum(wide_lanes a, wide_lanes b)
{
    const wide_lanes sum = {vaddq_s64(a.low, b.low), vaddq_s64(a.high, b.high)};
    return NARROW(sum, FRAC + 1);
}

static inline int32x4_t half_difference(wide_lanes a, wide_lanes b)
{
    const wide_lanes difference = {vsubq_s64(a.low, b.low), vsubq_s64(a.high, b.high)};
    return NARROW(difference, FRAC + 1);
}

static inline void split_re(int32x4_t even, int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y,
                            int32x4_t *near, int32x4_t *far)
{
    const wide_lanes sum = widened(even), turned = wide_difference(a, x, b, y);
    *near = half_sum(sum, turned);
    *far = half_difference(sum, turned);
}

static inline void split_im(int32x4_t even, int32x4_t a, int32x4_t x, int32x4_t b, int32x4_t y,
                            int32x4_t *near, int32x4_t *far)
{
    const wide_lanes sum = widened(even), turned = wide_sum(a, x, b, y);
    *near = half_sum(sum, turned);
    *far = half_difference(turned, sum);
}

static inline void get_backwards(const int32_t *x, int32x4_t *re, int32x4_t *im)
{
    const int32x4x2_t both = vld2q_s32(x);
    *re = backwards(both.val[0]);
    *im = backwards(both.val[1]);
}

static inline void put_backwards(int32_t *x, int32x4_t re, int32x4_t im)
{
    int32x4x2_t both;
    both.val[0] = backwards(re);
    both.val[1] = backwards(im);
    vst2q_s32(x, both);
}

#include "dsp/fft_lanes.h"

void dk_real_fft(int32_t x[DK_FFT_POINTS], dk_complex bins[DK_FFT_BINS])
{
    real_fft(x, bins);
}

#endif
