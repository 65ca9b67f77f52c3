// SPDX-License-Identifier: BSD-3-Clause
#include "dsp/fft.h"

#include "dsp/scalar.h"

#define FRAC 30

// cos and -sin of 2 pi k / 320, for k < 240.
static inline dk_complex twiddle(uint32_t k)
{
    return (dk_complex){dk_fft_cosines[k], dk_fft_cosines[k + 80]};
}

static inline dk_complex rotate(dk_complex x, dk_complex w)
{
    return (dk_complex){
        (int32_t)dk_rounded((int64_t)x.re * w.re - (int64_t)x.im * w.im, FRAC),
        (int32_t)dk_rounded((int64_t)x.re * w.im + (int64_t)x.im * w.re, FRAC),
    };
}

static inline dk_complex add(dk_complex a, dk_complex b)
{
    return (dk_complex){a.re + b.re, a.im + b.im};
}

static inline dk_complex subtract(dk_complex a, dk_complex b)
{
    return (dk_complex){a.re - b.re, a.im - b.im};
}

// a - i b
static inline dk_complex turn_right(dk_complex a, dk_complex b)
{
    return (dk_complex){a.re + b.im, a.im - b.re};
}

// a + i b
static inline dk_complex turn_left(dk_complex a, dk_complex b)
{
    return (dk_complex){a.re - b.im, a.im + b.re};
}

static inline dk_complex mix(dk_complex x, int32_t a, dk_complex y, int32_t b)
{
    return (dk_complex){
        (int32_t)dk_rounded((int64_t)x.re * a + (int64_t)y.re * b, FRAC),
        (int32_t)dk_rounded((int64_t)x.im * a + (int64_t)y.im * b, FRAC),
    };
}

// The first stage: 32 transforms of 5 neighbours, without twiddles.
static void stage5(dk_complex *z)
{
    const int32_t c1 = dk_fft_cosines[64], c2 = dk_fft_cosines[128];  // cos 72, 144 degrees
    const int32_t s1 = dk_fft_cosines[16], s2 = dk_fft_cosines[48];   // sin 72, 144 degrees
    for (const dk_complex *end = z + DK_FFT_BINS; z < end; z += 5) {
        const dk_complex sum1 = add(z[1], z[4]), sum2 = add(z[2], z[3]);
        const dk_complex dif1 = subtract(z[1], z[4]), dif2 = subtract(z[2], z[3]);
        const dk_complex even1 = add(z[0], mix(sum1, c1, sum2, c2));
        const dk_complex even2 = add(z[0], mix(sum1, c2, sum2, c1));
        const dk_complex odd1 = mix(dif1, s1, dif2, s2);
        const dk_complex odd2 = mix(dif1, s2, dif2, -s1);
        z[0] = add(z[0], add(sum1, sum2));
        z[1] = turn_right(even1, odd1);
        z[2] = turn_right(even2, odd2);
        z[3] = turn_left(even2, odd2);
        z[4] = turn_left(even1, odd1);
    }
}

static void stage2(dk_complex *z, uint32_t size)
{
    for (uint32_t j = 0; j < size; j++) {
        const dk_complex w = twiddle(j * (DK_FFT_BINS / size));
        for (dk_complex *a = z + j; a < z + DK_FFT_BINS; a += 2 * size) {
            const dk_complex b = rotate(a[size], w);
            a[size] = subtract(a[0], b);
            a[0] = add(a[0], b);
        }
    }
}

static void stage4(dk_complex *z, uint32_t size)
{
    for (uint32_t j = 0; j < size; j++) {
        const uint32_t k = j * (DK_FFT_BINS / 2 / size);
        const dk_complex w1 = twiddle(k), w2 = twiddle(2 * k), w3 = twiddle(3 * k);
        for (dk_complex *a = z + j; a < z + DK_FFT_BINS; a += 4 * size) {
            const dk_complex x1 = rotate(a[size], w1);
            const dk_complex x2 = rotate(a[2 * size], w2);
            const dk_complex x3 = rotate(a[3 * size], w3);
            const dk_complex even = add(a[0], x2), even_dif = subtract(a[0], x2);
            const dk_complex odd = add(x1, x3), odd_dif = subtract(x1, x3);
            a[0] = add(even, odd);
            a[size] = turn_right(even_dif, odd_dif);
            a[2 * size] = subtract(even, odd);
            a[3 * size] = turn_left(even_dif, odd_dif);
        }
    }
}

// Bin k of the real signal from bins k and 160 - k of the complex one.
static inline dk_complex split(dk_complex near, dk_complex far, uint32_t k)
{
    const dk_complex w = twiddle(k);
    const int32_t odd_re = near.im + far.im;
    const int32_t odd_im = far.re - near.re;
    const int64_t re = (int64_t)(near.re + far.re) * (1 << FRAC);
    const int64_t im = (int64_t)(near.im - far.im) * (1 << FRAC);
    return (dk_complex){
        (int32_t)dk_rounded(re + (int64_t)odd_re * w.re - (int64_t)odd_im * w.im, FRAC + 1),
        (int32_t)dk_rounded(im + (int64_t)odd_re * w.im + (int64_t)odd_im * w.re, FRAC + 1),
    };
}

void dk_real_fft(dk_complex z[DK_FFT_BINS])
{
    stage5(z);
    stage2(z, 5);
    stage4(z, 10);
    stage4(z, 40);
    z[0] = split(z[0], z[0], 0);
    for (uint32_t k = 1; k <= DK_FFT_BINS / 2; k++) {
        const dk_complex near = z[k], far = z[DK_FFT_BINS - k];
        z[k] = split(near, far, k);
        z[DK_FFT_BINS - k] = split(far, near, DK_FFT_BINS - k);
    }
}
