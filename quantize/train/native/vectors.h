// SPDX-License-Identifier: BSD-3-Clause
// Sixteen floats at a time, in the compiler's vector types: any processor runs them.
#ifndef DREDKIT_TRAIN_VECTORS_H
#define DREDKIT_TRAIN_VECTORS_H

#include <stdint.h>

enum { LANES = 16 };

typedef float vf __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(64), aligned(4), may_alias));

static inline vf splat(float x)
{
    return (vf){0} + x;
}

static inline vf clamp(vf x, float low, float high)
{
    const vf lo = splat(low), hi = splat(high);
    const vi below = x<lo, above = x> hi;
    return (vf)(((vi)x & ~(below | above)) | ((vi)lo & below) | ((vi)hi & above));
}

// e^x to a few units in the last place: 2^n from the exponent bits, the rest by a polynomial.
static inline vf vexp(vf x)
{
    x = clamp(x, -80.0f, 80.0f);
    const vf shifted = x * 1.44269504f + 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer
    const vf n = shifted - 12582912.0f;
    const vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = r * 1.38888889e-3f + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    const vi scale = ((vi)shifted - 0x4B400000 + 127) << 23;
    return p * (vf)scale;
}

static inline vf vsigmoid(vf x)
{
    return 1.0f / (1.0f + vexp(-x));
}
static inline vf vtanh(vf x)
{
    return 2.0f / (1.0f + vexp(-2.0f * x)) - 1.0f;
}

#endif
