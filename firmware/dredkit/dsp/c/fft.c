// SPDX-License-Identifier: BSD-3-Clause
// The scalar FFT: portable C, with one assembly step for SIMD32.
#include "dsp/fft.h"

#include <stddef.h>

#if !defined(DK_ISA_MVE) && !defined(DK_ISA_NEON)

#define FRAC 30

// Return cos and -sin of 2 pi k / 320, for k < 240.
static inline dk_complex twiddle(uint32_t k)
{
    return (dk_complex){dk_fft_cosines[k], dk_fft_cosines[k + 80]};
}

// Return (a x + b y) / 2^30, nearest, half up.
static inline int32_t sum_of(int32_t a, int32_t x, int32_t b, int32_t y)
{
#if defined(DK_ISA_SIMD32)
    // The carry of the lower word's shift is the rounding half.
    uint32_t low, high;
    __asm__("smull %0, %1, %2, %3\n\t"
            "smlal %0, %1, %4, %5\n\t"
            "lsrs %0, %0, #30\n\t"
            "adc %0, %0, %1, lsl #2"
            : "=&r"(low), "=&r"(high)
            : "r"(a), "r"(x), "r"(b), "r"(y)
            : "cc");
    return (int32_t)low;
#else
    int64_t sum = 1 << (FRAC - 1);
    sum += (int64_t)a * x;
    sum += (int64_t)b * y;
    return (int32_t)(sum >> FRAC);
#endif
}

// A twiddle, and the negative of its sine: multiply-accumulate instructions only add.
typedef struct {
    int32_t cos;
    int32_t sin;
    int32_t minus_sin;
} rotation;

static inline rotation turn(uint32_t k)
{
    const dk_complex w = twiddle(k);
    return (rotation){w.re, w.im, -w.im};
}

static inline dk_complex rotate(dk_complex x, rotation w)
{
    return (dk_complex){sum_of(x.re, w.cos, x.im, w.minus_sin), sum_of(x.re, w.sin, x.im, w.cos)};
}

static inline dk_complex add(dk_complex a, dk_complex b)
{
    return (dk_complex){a.re + b.re, a.im + b.im};
}

static inline dk_complex subtract(dk_complex a, dk_complex b)
{
    return (dk_complex){a.re - b.re, a.im - b.im};
}

// Return a - i b.
static inline dk_complex turn_right(dk_complex a, dk_complex b)
{
    return (dk_complex){a.re + b.im, a.im - b.re};
}

// Return a + i b.
static inline dk_complex turn_left(dk_complex a, dk_complex b)
{
    return (dk_complex){a.re - b.im, a.im + b.re};
}

static inline dk_complex mix(dk_complex x, int32_t a, dk_complex y, int32_t b)
{
    return (dk_complex){sum_of(x.re, a, y.re, b), sum_of(x.im, a, y.im, b)};
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

static inline void butterfly2(dk_complex *a, uint32_t size, dk_complex x1)
{
    const dk_complex x0 = a[0];
    a[0] = add(x0, x1);
    a[size] = subtract(x0, x1);
}

static inline __attribute__((always_inline)) void stage2(dk_complex *z, uint32_t size)
{
    const dk_complex *end = z + DK_FFT_BINS;
    for (dk_complex *a = z; a < end; a += 2 * size) {
        butterfly2(a, size, a[size]);  // the first twiddle is 1
    }
    for (uint32_t j = 1; j < size; j++) {
        const rotation w = turn(j * (DK_FFT_BINS / size));
        for (dk_complex *a = z + j; a < end; a += 2 * size) {
            butterfly2(a, size, rotate(a[size], w));
        }
    }
}

static inline void butterfly4(dk_complex *a, uint32_t size, dk_complex x1, dk_complex x2,
                              dk_complex x3)
{
    const dk_complex even = add(a[0], x2), even_dif = subtract(a[0], x2);
    const dk_complex odd = add(x1, x3), odd_dif = subtract(x1, x3);
    a[0] = add(even, odd);
    a[size] = turn_right(even_dif, odd_dif);
    a[2 * size] = subtract(even, odd);
    a[3 * size] = turn_left(even_dif, odd_dif);
}

static inline __attribute__((always_inline)) void stage4(dk_complex *z, uint32_t size)
{
    const dk_complex *end = z + DK_FFT_BINS;
    for (dk_complex *a = z; a < end; a += 4 * size) {
        butterfly4(a, size, a[size], a[2 * size], a[3 * size]);
    }
    for (uint32_t j = 1; j < size; j++) {
        const uint32_t k = j * (DK_FFT_BINS / 2 / size);
        const rotation w1 = turn(k), w2 = turn(2 * k), w3 = turn(3 * k);
        for (dk_complex *a = z + j; a < end; a += 4 * size) {
            butterfly4(a, size, rotate(a[size], w1), rotate(a[2 * size], w2),
                       rotate(a[3 * size], w3));
        }
    }
}

static inline int32_t halved(int64_t sum)
{
    return (int32_t)(sum >> (FRAC + 1));
}

// Compute bins k and 160 - k of the real signal from the same bins of the complex signal. Their
// twiddles are mirror images, so both bins use the same products.
static inline void split(dk_complex *near, dk_complex *far, uint32_t k)
{
    const dk_complex w = twiddle(k), a = *near, b = *far;
    const int32_t odd_re = a.im + b.im, odd_im = b.re - a.re;
    const int64_t re = ((int64_t)a.re + b.re) * (1 << FRAC) + (1 << FRAC);
    const int64_t im = ((int64_t)a.im - b.im) * (1 << FRAC);
    const int64_t turned_re = (int64_t)odd_re * w.re - (int64_t)odd_im * w.im;
    const int64_t turned_im = (int64_t)odd_re * w.im + (int64_t)odd_im * w.re + (1 << FRAC);
    *near = (dk_complex){halved(re + turned_re), halved(turned_im + im)};
    *far = (dk_complex){halved(re - turned_re), halved(turned_im - im)};
}

// NOLINTNEXTLINE(readability-non-const-parameter): the vector kernels use x as scratch.
void dk_real_fft(int32_t x[DK_FFT_POINTS], dk_complex bins[DK_FFT_BINS])
{
    for (size_t n = 0; n < DK_FFT_BINS; n++) {
        bins[dk_fft_order[n]] = (dk_complex){x[2 * n], x[2 * n + 1]};
    }
    stage5(bins);
    stage2(bins, 5);
    stage4(bins, 10);
    stage4(bins, 40);
    dk_complex last = bins[0];  // becomes bin 160, which is not used
    split(&bins[0], &last, 0);
    for (uint32_t k = 1; k < DK_FFT_BINS / 2; k++) {
        split(&bins[k], &bins[DK_FFT_BINS - k], k);
    }
    dk_complex middle = bins[DK_FFT_BINS / 2];
    split(&bins[DK_FFT_BINS / 2], &middle, DK_FFT_BINS / 2);
}

#endif
