// SPDX-License-Identifier: BSD-3-Clause
// The stages of c/fft.c with four points in the lanes of a vector. Input n of the 160 complex
// inputs is 16 m + 4 r + p. First, 16 transforms over m lie side by side in the lanes. Then the
// transforms of the same p are joined, with the four p in the lanes. Then the four p are joined,
// with neighbouring bins in the lanes. Every value depends on the same values as in c/fft.c, so
// each sum is rounded in the same way.
//
// Before including this header, define these operations on int32x4_t. A sum means
// (a x + b y) / 2^30, nearest, half up:
// - sum_of(a, x, b, y); sum_alike, the same with scalars x and y; difference_of, for a x - b y;
// - split_re: near = (even 2^30 + turned) / 2^31, far = (even 2^30 - turned) / 2^31, where turned
//   is a x - b y;
// - split_im: near = (even 2^30 + turned) / 2^31, far = (turned - even 2^30) / 2^31, where turned
//   is a x + b y;
// - get_backwards and put_backwards, for four pairs in reverse order.
#ifndef DREDKIT_DSP_FFT_LANES_H
#define DREDKIT_DSP_FFT_LANES_H

#include "dsp/fft.h"

typedef struct {
    int32x4_t re;
    int32x4_t im;
} four_points;

static inline four_points rotate(four_points x, int32x4_t cosine, int32x4_t minus_sine)
{
    return (four_points){difference_of(x.re, cosine, x.im, minus_sine),
                         sum_of(x.re, minus_sine, x.im, cosine)};
}

static inline four_points rotate_alike(four_points x, int32_t cosine, int32_t minus_sine)
{
    return (four_points){sum_alike(x.re, cosine, x.im, -minus_sine),
                         sum_alike(x.re, minus_sine, x.im, cosine)};
}

static inline four_points add(four_points a, four_points b)
{
    return (four_points){vaddq_s32(a.re, b.re), vaddq_s32(a.im, b.im)};
}

static inline four_points subtract(four_points a, four_points b)
{
    return (four_points){vsubq_s32(a.re, b.re), vsubq_s32(a.im, b.im)};
}

// Return a - i b; turn_left returns a + i b.
static inline four_points turn_right(four_points a, four_points b)
{
    return (four_points){vaddq_s32(a.re, b.im), vsubq_s32(a.im, b.re)};
}

static inline four_points turn_left(four_points a, four_points b)
{
    return (four_points){vsubq_s32(a.re, b.im), vaddq_s32(a.im, b.re)};
}

// Between the stages, the real parts of 16 values lie before their imaginary parts.
#define SIXTEEN 16

static inline four_points get(const int32_t *x)
{
    return (four_points){vld1q_s32(x), vld1q_s32(x + SIXTEEN)};
}

static inline void put(int32_t *x, four_points value)
{
    vst1q_s32(x, value.re);
    vst1q_s32(x + SIXTEEN, value.im);
}

static inline four_points get_pairs(const int32_t *x)
{
    const int32x4x2_t both = vld2q_s32(x);
    return (four_points){both.val[0], both.val[1]};
}

static inline void put_bins(dk_complex *bins, four_points x)
{
    int32x4x2_t both;
    both.val[0] = x.re;
    both.val[1] = x.im;
    vst2q_s32(&bins->re, both);
}

// The real or the imaginary parts that 5 bins are made of: bins 1 and 4 are even1 -+ i odd1, bins 2
// and 3 are even2 -+ i odd2.
typedef struct {
    int32x4_t first;
    int32x4_t even1;
    int32x4_t even2;
    int32x4_t odd1;
    int32x4_t odd2;
} fifth_parts;

static inline fifth_parts fifths(int32x4_t x0, int32x4_t x1, int32x4_t x2, int32x4_t x3,
                                 int32x4_t x4)
{
    const int32_t c1 = dk_fft_cosines[64], c2 = dk_fft_cosines[128];  // cos 72, 144 degrees
    const int32_t s1 = dk_fft_cosines[16], s2 = dk_fft_cosines[48];   // sin 72, 144 degrees
    const int32x4_t sum1 = vaddq_s32(x1, x4), sum2 = vaddq_s32(x2, x3);
    const int32x4_t dif1 = vsubq_s32(x1, x4), dif2 = vsubq_s32(x2, x3);
    return (fifth_parts){
        .first = vaddq_s32(x0, vaddq_s32(sum1, sum2)),
        .even1 = vaddq_s32(x0, sum_alike(sum1, c1, sum2, c2)),
        .even2 = vaddq_s32(x0, sum_alike(sum1, c2, sum2, c1)),
        .odd1 = sum_alike(dif1, s1, dif2, s2),
        .odd2 = sum_alike(dif1, s2, dif2, -s1),
    };
}

// Four transforms of 5 points, which lie 32 complex values apart.
static inline void transform5(const int32_t *x, four_points z[5])
{
    const four_points x0 = get_pairs(x), x1 = get_pairs(x + 64), x2 = get_pairs(x + 128);
    const four_points x3 = get_pairs(x + 192), x4 = get_pairs(x + 256);
    const fifth_parts re = fifths(x0.re, x1.re, x2.re, x3.re, x4.re);
    const fifth_parts im = fifths(x0.im, x1.im, x2.im, x3.im, x4.im);
    const four_points even1 = {re.even1, im.even1}, even2 = {re.even2, im.even2};
    const four_points odd1 = {re.odd1, im.odd1}, odd2 = {re.odd2, im.odd2};
    z[0] = (four_points){re.first, im.first};
    z[1] = turn_right(even1, odd1);
    z[2] = turn_right(even2, odd2);
    z[3] = turn_left(even2, odd2);
    z[4] = turn_left(even1, odd1);
}

// 16 transforms of 10 points: work[32 k + q] from x[2 (16 m + q)] and the sample after each.
static inline void join10(const int32_t *x, int32_t *work)
{
    for (int q = 0; q < SIXTEEN; q += 4) {
        four_points even[5], odd[5];
        transform5(x + 2 * q, even);
        transform5(x + 2 * (q + SIXTEEN), odd);
#pragma GCC unroll 5
        for (int k = 0; k < 5; k++) {
            const int32_t *turn = dk_fft_cosines + 32 * k;
            const four_points turned = k > 0 ? rotate_alike(odd[k], turn[0], turn[80]) : odd[0];
            put(work + 2 * SIXTEEN * k + q, add(even[k], turned));
            put(work + 2 * SIXTEEN * (k + 5) + q, subtract(even[k], turned));
        }
    }
}

static inline void butterfly4(four_points x[4])
{
    const four_points even = add(x[0], x[2]), even_dif = subtract(x[0], x[2]);
    const four_points odd = add(x[1], x[3]), odd_dif = subtract(x[1], x[3]);
    x[0] = add(even, odd);
    x[1] = turn_right(even_dif, odd_dif);
    x[2] = subtract(even, odd);
    x[3] = turn_left(even_dif, odd_dif);
}

// Return the place of a bin's four values, one for each p, of the 4 transforms of 40 points.
static inline int32_t *place40(int32_t *out, int bin)
{
    return out + 2 * SIXTEEN * (bin / 4) + 4 * (bin % 4);
}

static inline void join40(const int32_t *work, int32_t *out)
{
    for (int k = 0; k < 10; k++, work += 2 * SIXTEEN) {
        const int32_t(*turns)[2] = dk_fft_turns40[k];
        four_points x[4] = {get(work), get(work + 4), get(work + 8), get(work + 12)};
#pragma GCC unroll 3
        for (int r = 1; r < 4; r++) {
            x[r] = rotate_alike(x[r], turns[r - 1][0], turns[r - 1][1]);
        }
        butterfly4(x);
#pragma GCC unroll 4
        for (int s = 0; s < 4; s++) {
            put(place40(out, k + 10 * s), x[s]);
        }
    }
}

// The transform of 160 points, in natural order.
static inline void join160(const int32_t *work, dk_complex *bins)
{
    for (int k = 0; k < 40; k += 4, work += 2 * SIXTEEN) {
        const int32_t(*turns)[4] = dk_fft_turns160[k / 4];
        const int32x4x4_t re = vld4q_s32(work), im = vld4q_s32(work + SIXTEEN);
        four_points x[4] = {{re.val[0], im.val[0]}};
#pragma GCC unroll 3
        for (int p = 1; p < 4; p++) {
            x[p] = rotate((four_points){re.val[p], im.val[p]}, vld1q_s32(turns[2 * p - 2]),
                          vld1q_s32(turns[2 * p - 1]));
        }
        butterfly4(x);
#pragma GCC unroll 4
        for (int s = 0; s < 4; s++) {
            put_bins(bins + k + 40 * s, x[s]);
        }
    }
}

// Compute bins k .. k + 3 of the real signal and their mirror images from the same bins of the
// complex signal.
static inline void split(dk_complex *bins, int k)
{
    const int mirror = DK_FFT_BINS - 3 - k;
    const four_points a = get_pairs(&bins[k].re);
    four_points b, near, far;
    get_backwards(&bins[mirror].re, &b.re, &b.im);
    const int32x4_t c = vld1q_s32(dk_fft_cosines + k), s = vld1q_s32(dk_fft_cosines + k + 80);
    const int32x4_t odd_re = vaddq_s32(a.im, b.im), odd_im = vsubq_s32(b.re, a.re);
    split_re(vaddq_s32(a.re, b.re), odd_re, c, odd_im, s, &near.re, &far.re);
    split_im(vsubq_s32(a.im, b.im), odd_re, s, odd_im, c, &near.im, &far.im);
    put_backwards(&bins[mirror].re, far.re, far.im);
    put_bins(bins + k, near);
}

static inline void real_fft(int32_t x[DK_FFT_POINTS], dk_complex bins[DK_FFT_BINS])
{
    join10(x, &bins->re);
    join40(&bins->re, x);
    join160(x, bins);
    bins[0] = (dk_complex){bins[0].re + bins[0].im, 0};
    for (int k = 1; k < DK_FFT_BINS / 2; k += 4) {
        split(bins, k);
    }
}

#endif
