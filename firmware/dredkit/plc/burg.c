// SPDX-License-Identifier: BSD-3-Clause
// Burg's method in fixed point, and the cepstrum of its predictor's spectrum.
#include "plc/burg.h"

#include <stddef.h>
#include <string.h>

#include "dsp/fft.h"
#include "dsp/scalar.h"
#include "dsp/spans.h"
#include "dsp/window.h"
#include "plc/plc_tables.h"

#define SAMPLE_BITS 26
#define COEFFICIENT_FRAC 20
#define REFLECTION_FRAC 30
#define ONE (1 << REFLECTION_FRAC)
#define LEAST_GAIN 1073742  // 0.001, Q30
#define LOADING 42950       // 1e-5, Q32
#define INPUT_BITS 22       // bits that the FFT takes
#define FLOOR_FRAC 46
#define QUOTIENT_BITS 16  // of a bin's power when it is inverted
#define QUOTIENT_UP 14
#define COMMON 48  // weights of the bins are whole 48ths
#define SURE 24    // octaves above 0.01 from which adding 0.01 changes nothing

typedef struct {
    int32_t forward[DK_BURG_SAMPLES], backward[DK_BURG_SAMPLES];
    int32_t taps[DK_LPC_ORDER + 2];  // 1, the predictor, 0
    int64_t loading;
    int32_t left;  // of the signal's energy, Q30
} recursion;

// Return what the loading adds, for a product of the predictor with itself, Q40.
static int64_t loaded(int64_t loading, int64_t product)
{
    const int64_t part = product >> 28;
    return (loading >> 12) * (part > INT32_MAX ? INT32_MAX : part < -INT32_MAX ? -INT32_MAX : part);
}

// Return -2 cross / energy of a magnitude below one.
static int32_t quotient(int64_t cross, int64_t energy)
{
    const int excess = dk_bits64((uint64_t)energy) - 32;
    const int down = excess > 0 ? excess : 0;
    uint64_t bottom = (uint64_t)energy >> down;
    bottom = bottom < 2 ? 2 : bottom;
    uint64_t size = 2 * dk_magnitude64(cross) >> down;
    size = size < bottom ? size : bottom - 1;
    const int32_t k = (int32_t)((size << REFLECTION_FRAC) / bottom);
    return cross > 0 ? -k : k;
}

// Return sqrt(1 - 0.001 / left), Q30.
static int32_t last_reflection(int32_t left)
{
    const uint64_t above = (uint64_t)(uint32_t)(left - LEAST_GAIN) << REFLECTION_FRAC;
    const uint32_t part = (uint32_t)(above / (uint32_t)left);
    if (part == 0) {
        return 0;
    }
    const int up = (32 - dk_bits32(part)) & ~1;
    const uint32_t mantissa = part << up;
    return (int32_t)((uint64_t)mantissa * dk_rsqrt(mantissa) >> 31) >> (up >> 1);
}

// Return the reflection coefficient of an order, Q30.
static int32_t reflection(const recursion *state, int order)
{
    const size_t count = (size_t)(DK_BURG_SAMPLES - 1 - order);
    const int32_t *f = state->forward + order + 1, *b = state->backward + order;
    int64_t square = 0, turned = 0;
    for (int k = 0; k <= order + 1; k++) {
        square += (int64_t)state->taps[k] * state->taps[k];
        turned += (int64_t)state->taps[k] * state->taps[order + 1 - k];
    }
    const int64_t cross = dk_dot32(f, b, count, 0) + loaded(state->loading, turned);
    const int64_t energy = dk_dot32(f, f, count, 0) + dk_dot32(b, b, count, 0);
    return quotient(cross, energy + 2 * loaded(state->loading, square));
}

// Return x + k y. |k| < 1 and |y| < 2^30, so the doubled factors fit int32.
static inline int32_t moved(int32_t x, int32_t k, int32_t y)
{
    return x + dk_upper_product(2 * k, 2 * y);
}

// Apply a reflection coefficient to the predictor and to both error signals.
static void reflect(recursion *state, int order, int32_t k)
{
    int32_t *taps = state->taps;
    for (int low = 0; 2 * low <= order + 1; low++) {
        const int high = order + 1 - low;
        const int32_t a = taps[low], b = taps[high];
        taps[low] = a + (int32_t)dk_rounded((int64_t)k * b, REFLECTION_FRAC);
        taps[high] = b + (int32_t)dk_rounded((int64_t)k * a, REFLECTION_FRAC);
    }
    for (int n = DK_BURG_SAMPLES - 1; n > order; n--) {
        const int32_t f = state->forward[n], b = state->backward[n - 1];
        state->forward[n] = moved(f, k, b);
        state->backward[n] = moved(b, k, f);
    }
}

int64_t dk_burg(const int32_t x[DK_BURG_SAMPLES], int32_t lpc[DK_LPC_ORDER])
{
    recursion state = {.taps = {1 << COEFFICIENT_FRAC}, .left = ONE};
    memcpy(state.forward, x, sizeof state.forward);
    memcpy(state.backward, x, sizeof state.backward);
    const int64_t total = dk_dot32(x, x, DK_BURG_SAMPLES, 0);
    state.loading = (total >> 16) * LOADING >> 16;
    int full = 0;
    for (int order = 0; order < DK_LPC_ORDER && !full; order++) {
        int32_t k = reflection(&state, order);
        const int32_t square = (int32_t)((int64_t)k * k >> REFLECTION_FRAC);
        const int32_t left = state.left - (int32_t)((int64_t)state.left * square >> 30);
        full = left <= LEAST_GAIN;
        if (full) {
            const int32_t last = last_reflection(state.left);
            k = k < 0 ? -last : k > 0 ? last : 0;
        }
        state.left = left;
        reflect(&state, order, k);
    }
    memcpy(lpc, state.taps + 1, DK_LPC_ORDER * sizeof *lpc);
    if (full) {
        const int64_t rest = total - dk_dot32(x, x, DK_LPC_ORDER, 0);
        return (rest >> 20) * LEAST_GAIN >> (REFLECTION_FRAC - 20);
    }
    const int32_t *own = state.forward + DK_LPC_ORDER;
    return dk_dot32(own, own, DK_BURG_SAMPLES - DK_LPC_ORDER, 0);
}

// Compute 1 / |A|^2 of the bins, relative to the largest. Returns the exponent of its unit.
static int invert(const int32_t lpc[DK_LPC_ORDER], uint32_t inverse[DK_FFT_BINS])
{
    int32_t x[DK_FFT_POINTS] = {1 << COEFFICIENT_FRAC};
    dk_complex bins[DK_FFT_BINS];
    uint8_t lengths[DK_FFT_BINS];
    uint32_t peak = 1 << COEFFICIENT_FRAC;
    for (size_t k = 0; k < DK_LPC_ORDER; k++) {
        x[k + 1] = (int32_t)dk_rounded((int64_t)lpc[k] * dk_burg_widen[k], 30);
        peak = dk_magnitude(x[k + 1]) > peak ? dk_magnitude(x[k + 1]) : peak;
    }
    const int down = dk_bits32(peak) - INPUT_BITS;
    for (size_t k = 0; k <= DK_LPC_ORDER; k++) {
        x[k] = (int32_t)dk_shifted(x[k], down);
    }
    dk_real_fft(x, bins);
    const int twice = 2 * (COEFFICIENT_FRAC - down);  // powers are |A|^2 * 2^twice
    const uint64_t floor = DK_BURG_FLOOR >> (FLOOR_FRAC - twice);
    int least = 64;
    for (size_t j = 0; j < DK_FFT_BINS; j++) {
        const int64_t re = bins[j].re, im = bins[j].im;
        const uint64_t power = (uint64_t)(re * re + im * im) + floor;
        const int length = dk_bits64(power);
        inverse[j] = UINT32_MAX / (uint32_t)dk_scaled(power, length - QUOTIENT_BITS);
        lengths[j] = (uint8_t)length;
        least = length < least ? length : least;
    }
    for (size_t j = 0; j < DK_FFT_BINS; j++) {
        const int shift = lengths[j] - least;
        inverse[j] = shift < 32 ? inverse[j] << QUOTIENT_UP >> shift : 0;
    }
    return twice - 30 - least;
}

// Sum the inverses over the bands' triangles, in 48ths. Both end bands are doubled.
static void band_sums(const uint32_t *inverse, uint64_t sums[DK_CEPSTRUM])
{
    uint64_t carried = 0;  // the rising side of the current band
    for (size_t band = 0; band + 1 < DK_CEPSTRUM; band++) {
        const uint32_t width = dk_features_widths[band];
        uint64_t total = 0, ramp = 0;
        for (uint32_t j = width - 1; j > 0; j--) {
            total += inverse[j];
            ramp += total;
        }
        total += inverse[0];
        sums[band] = carried + (width * total - ramp) * (COMMON / width);
        carried = ramp * (COMMON / width);
        inverse += width;
    }
    sums[DK_CEPSTRUM - 1] = 2 * carried;
    sums[0] *= 2;
}

// Return log2(0.01 + 2^x) of a logarithm, Q24.
static int32_t above_floor(int64_t log)
{
    const int64_t above = log - DK_LOG_START;
    const int64_t whole = above >> DK_LOG_FRAC;
    if (whole >= SURE) {
        return (int32_t)log;
    }
    const int64_t power = dk_exp2((uint32_t)(above & DK_LOG_MASK));
    const int64_t grown = ((int64_t)1 << 30) + dk_shifted(power, whole < -40 ? 40 : -(int)whole);
    return DK_LOG_START + dk_log2((uint64_t)grown) - 30 * (1 << DK_LOG_FRAC);
}

// Compute the bands' logarithms of energy / |A|^2; samples are their value * 2^scale.
static void band_logs(const int32_t lpc[DK_LPC_ORDER], int64_t energy, int scale,
                      int32_t logs[DK_CEPSTRUM])
{
    uint32_t inverse[DK_FFT_BINS];
    uint64_t sums[DK_CEPSTRUM];
    const int exponent = invert(lpc, inverse) - 2 * scale;
    band_sums(inverse, sums);
    const int64_t level = (int64_t)dk_log2(energy > 0 ? (uint64_t)energy : 1) + DK_BURG_LEVEL +
                          (int64_t)exponent * (1 << DK_LOG_FRAC);
    for (size_t band = 0; band < DK_CEPSTRUM; band++) {
        const int64_t log = dk_log2(sums[band] > 0 ? sums[band] : 1) + level;
        logs[band] = energy > 0 ? above_floor(log) : DK_LOG_START;
    }
}

// Compute the cepstrum of half a frame, Q20.
static void cepstrum(const int16_t pcm[DK_BURG_HALF], int32_t out[DK_CEPSTRUM])
{
    int32_t x[DK_BURG_SAMPLES], lpc[DK_LPC_ORDER], logs[DK_CEPSTRUM];
    uint32_t any = 0;
    for (size_t n = 0; n < DK_BURG_SAMPLES; n++) {
        x[n] = pcm[n + 1] * (1 << DK_EMPHASIS_FRAC) - DK_PREEMPHASIS * pcm[n];
        any |= dk_magnitude(x[n]);
    }
    const int down = dk_bits32(any) - SAMPLE_BITS;
    for (size_t n = 0; n < DK_BURG_SAMPLES; n++) {
        x[n] = (int32_t)dk_shifted(x[n], down);
    }
    const int64_t energy = dk_burg(x, lpc);
    band_logs(lpc, energy, DK_EMPHASIS_FRAC - down, logs);
    dk_features_floor(logs);
    dk_features_cepstrum(logs, out);
}

void dk_burg_cepstra(const int16_t pcm[DK_FEATURES_FRAME], int32_t cepstra[DK_BURG_CEPSTRA])
{
    int32_t *second = cepstra + DK_CEPSTRUM;
    cepstrum(pcm, cepstra);
    cepstrum(pcm + DK_BURG_HALF, second);
    for (size_t i = 0; i < DK_CEPSTRUM; i++) {
        const int32_t a = cepstra[i], b = second[i];
        cepstra[i] = (int32_t)dk_rounded((int64_t)a + b, 1);
        second[i] = a - b;
    }
}
