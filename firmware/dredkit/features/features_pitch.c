// SPDX-License-Identifier: BSD-3-Clause
// The predictor, the correlations and the pitch. quantize/dsp/lpc.py, quantize/dsp/correlation.py
// and quantize/features/pitch.py define them.
#include <stdalign.h>
#include <stddef.h>

#include "dsp/correlate.h"
#include "dsp/dot.h"
#include "dsp/lpc.h"
#include "dsp/normalise.h"
#include "dsp/scalar.h"
#include "dsp/spans.h"
#include "dsp/window.h"
#include "features/features.h"

#define RESIDUAL_FRAC 10
#define DENSITY_FRAC 30
#define MATRIX_FRAC 24
#define TENTH_OF_PERMILLE 429497             // 1e-4, Q32
#define VALUE_BITS 27                        // bits of samples whose squares are summed in 64 bits
#define MOST_ENERGY ((1 << 30) - (1 << 20))  // of a span; leaves room for what rounding may add
#define VOICING_FRAC 15
#define CURVE_FRAC 20
#define REACH 2  // the mean covers so many classes on both sides of the best one

int dk_features_autocorrelation(const int32_t logs[DK_CEPSTRUM], int32_t lags[DK_LPC_ORDER + 1])
{
    int64_t sums[DK_LPC_ORDER + 1];
    int32_t density[DK_CEPSTRUM];
    int32_t top = logs[0];
    for (size_t band = 1; band < DK_CEPSTRUM; band++) {
        top = logs[band] > top ? logs[band] : top;
    }
    top = (top >> DK_LOG_FRAC) + 1;  // 2^top is above the largest density
    for (size_t band = 0; band < DK_CEPSTRUM; band++) {
        const int32_t below = logs[band] - top * (1 << DK_LOG_FRAC);
        const int32_t shift = -(below >> DK_LOG_FRAC);
        const uint32_t part = (uint32_t)(below & DK_LOG_MASK);
        density[band] = (int32_t)(dk_exp2(part) >> (shift < 31 ? shift : 31));  // shift >= 1
    }
    for (size_t i = 0; i <= DK_LPC_ORDER; i++) {
        sums[i] = dk_dot(density, dk_features_lag_matrix[i], DK_CEPSTRUM);
    }
    const int64_t noise =
        top > 24 ? DK_NOISE_FLOOR >> (top - 24) : (int64_t)DK_NOISE_FLOOR << (24 - top);
    sums[0] += ((sums[0] >> 20) * TENTH_OF_PERMILLE >> 12) + noise;
    const int down = dk_bits64((uint64_t)sums[0]) - 30;
    for (size_t i = 0; i <= DK_LPC_ORDER; i++) {
        lags[i] = (int32_t)(sums[i] >> down);
    }
    return top + down - DENSITY_FRAC - MATRIX_FRAC;
}

void dk_features_predictor(const int32_t logs[DK_CEPSTRUM], int32_t taps[DK_RESIDUAL_TAPS])
{
    int32_t lags[DK_LPC_ORDER + 1], lpc[DK_LPC_ORDER + 1] = {0};
    dk_features_autocorrelation(logs, lags);
    dk_levinson(lags, lpc);
    int32_t past = 1 << DK_LPC_FRAC;
    taps[0] = past;
    for (size_t k = 0; k <= DK_LPC_ORDER; k++) {
        taps[k + 1] =
            lpc[k] - (int32_t)dk_rounded((int64_t)past * DK_PREEMPHASIS, DK_EMPHASIS_FRAC);
        past = lpc[k];
    }
}

// Return the right shift that brings the energy of the whole span below 2^30.
static int common_shift(const int32_t span[DK_SPAN])
{
    const int bits = dk_bits32(dk_peak32(span, DK_SPAN));
    const int coarse = bits > VALUE_BITS ? bits - VALUE_BITS : 0;
    const uint64_t energy = dk_energy32(span, DK_SPAN, coarse);
    const int excess = dk_bits64(energy) - 30;
    const int fine = ((excess > -11 ? excess : -11) + 1) >> 1;
    return coarse + fine + (energy >> (fine > 0 ? 2 * fine : 0) > MOST_ENERGY);
}

void dk_features_lags(const int32_t span[DK_SPAN], int16_t out[DK_PITCH_LAGS])
{
    alignas(int32_t) int16_t e[DK_SPAN];  // |e[n]| is 1.7 * 2^30 at most: room to round
    int32_t dots[DK_PITCH_LAGS];
    const int shift = common_shift(span);
    dk_scale16(span, DK_SPAN, shift, e);
    const int16_t *now = e + DK_MAX_PERIOD;
    const int one = 2 * (RESIDUAL_FRAC - shift);  // log2 of 1.0 in the energies' format
    uint32_t energy = 1U << (one > 0 ? one : 0);
    energy += (uint32_t)dk_energy16(now, DK_FEATURES_FRAME);
    energy += (uint32_t)dk_energy16(e, DK_FEATURES_FRAME);
    dk_correlate16(now, e, dots);
    dk_normalise16(e, energy, dots, out);
}

int32_t dk_features_pitch(const int16_t *scores, unsigned frac)
{
    int32_t best = 0, top = scores[0];
    for (int32_t i = 1; i < DK_PITCH_CLASSES; i++) {
        if (scores[i] > top) {
            top = scores[i];
            best = i;
        }
    }
    int32_t weight = 0, moment = 0;
    for (int32_t step = -REACH; step <= REACH; step++) {
        const int32_t at = best + step;
        if (at < 0 || at >= DK_PITCH_CLASSES) {
            continue;
        }
        const int64_t below = (int64_t)(scores[at] - top) * DK_LOG2_E;
        const int64_t power = dk_shifted(below, (int)frac + 15 - DK_LOG_FRAC);
        const int64_t down = 17 - (power >> DK_LOG_FRAC);
        const int64_t one = dk_exp2((uint32_t)power & DK_LOG_MASK);
        const int32_t w = (int32_t)dk_rounded(one, down < 40 ? (int)down : 40);  // Q13
        weight += w;
        moment += step * w;
    }
    const int32_t offset = (int32_t)(dk_magnitude(moment) << 16) / weight;
    const int32_t place = best * (1 << 16) + (moment < 0 ? -offset : offset);  // class, Q16
    return (place * 4 + 7) / 15;  // octaves, Q20: 2^20 / (60 * 2^16)
}

uint32_t dk_features_period(int32_t octaves)
{
    const int32_t power = -octaves * (1 << (DK_LOG_FRAC - 20));
    const int64_t one = dk_exp2((uint32_t)power & DK_LOG_MASK);
    const int32_t period = (int32_t)dk_rounded(one, 22 - (power >> DK_LOG_FRAC));
    if (period > DK_MAX_PERIOD) {
        return DK_MAX_PERIOD;
    }
    return period < DK_MIN_PERIOD ? DK_MIN_PERIOD : (uint32_t)period;
}

// Return a mantissa of 31 bits, or 0 for 0, and store its exponent.
static inline uint64_t mantissa(uint64_t x, int *exponent)
{
    *exponent = dk_bits64(x) - 31;
    return dk_scaled(x, *exponent);
}

int32_t dk_features_voicing(const int32_t *now, const int32_t *past)
{
    const uint32_t any = dk_peak32(now, DK_FEATURES_FRAME) | dk_peak32(past, DK_FEATURES_FRAME);
    const int down = dk_bits32(any) > VALUE_BITS ? dk_bits32(any) - VALUE_BITS : 0;
    const int64_t dot = dk_dot32(now, past, DK_FEATURES_FRAME, down);
    int n1, n2, n3;
    uint64_t product = mantissa(dk_energy32(now, DK_FEATURES_FRAME, down), &n1);
    product *= mantissa(dk_energy32(past, DK_FEATURES_FRAME, down), &n2);
    int exponent = n1 + n2;
    // The formula adds 1: bring the 1 into the product's format. If it would be far larger than the
    // product, shift the product instead.
    int one = 4 * (RESIDUAL_FRAC - down) - exponent;
    if (one > 61) {
        product = one - 61 < 63 ? product >> (one - 61) : 0;
        exponent += one - 61;
        one = 61;
    }
    product += one < 0 ? 0 : (uint64_t)1 << one;
    int rest = dk_bits64(product) - 32;
    rest += (rest + exponent) & 1;
    const int64_t root = dk_rsqrt((uint32_t)dk_scaled(product, rest));
    const int64_t size = (int64_t)mantissa(dk_magnitude64(dot), &n3);
    const int shift = 46 - VOICING_FRAC + (rest + exponent) / 2 - n3;
    return dk_saturate(dk_rounded((dot < 0 ? -size : size) * root, shift < 62 ? shift : 62), 16);
}

int32_t dk_features_voicing_curve(int32_t c)
{
    const int32_t power =
        (int32_t)dk_rounded((int64_t)c * DK_VOICING_SLOPE, VOICING_FRAC + 15 - DK_LOG_FRAC);
    const int64_t grown =
        dk_shifted(dk_exp2((uint32_t)power & DK_LOG_MASK), -(power >> DK_LOG_FRAC));
    const int32_t log = dk_log2((uint64_t)grown + (1U << 30)) - 30 * (1 << DK_LOG_FRAC);
    const int64_t value = dk_rounded(dk_rounded(log, 4) * DK_VOICING_NORM, 18);
    return (int32_t)value - (1 << (CURVE_FRAC - 1));
}
