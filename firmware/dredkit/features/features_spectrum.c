// SPDX-License-Identifier: BSD-3-Clause
// Spectrum, band logarithms, cepstrum and phase advances. quantize/dsp/spectrum.py defines them.
#include <stddef.h>

#include "dsp/dot.h"
#include "dsp/scalar.h"
#include "dsp/spans.h"
#include "dsp/window.h"
#include "features/features.h"

#define INPUT_BITS 22  // bits that the FFT takes
#define WIDE_BITS 31   // bits of a pre-emphasised sample
#define MOST_UP 12     // a quiet frame is raised by at most so many bits
#define COMMON 48      // the widths of all bands divide it
#define CEPSTRUM_FRAC 20
#define UNIT_FRAC 14
#define PHASE_FRAC 15

#define HALF (DK_CEPSTRUM / 2)
#define INTERVALS (DK_CEPSTRUM - 1)
const uint8_t dk_features_widths[INTERVALS] = {4, 4, 4, 4,  4,  4,  4,  4, 8,
                                               8, 8, 8, 16, 16, 16, 24, 24};

static int spectrum(const int16_t x[DK_FFT_POINTS + 1], dk_complex bins[DK_FFT_BINS])
{
    int32_t wide[DK_FFT_POINTS];
    dk_emphasise(x, DK_FFT_POINTS, wide);
    const int room = INPUT_BITS - dk_bits32(dk_peak32(wide, DK_FFT_POINTS));
    const int up = room < MOST_UP ? room : MOST_UP;
    // The samples are raised to 31 bits, of which 22 remain.
    dk_window(wide, DK_FFT_POINTS, dk_features_window, WIDE_BITS - INPUT_BITS + up);
    dk_real_fft(wide, bins);
    return DK_EMPHASIS_FRAC + up;
}

static inline uint64_t power(dk_complex x)
{
    return (uint64_t)((int64_t)x.re * x.re + (int64_t)x.im * x.im);
}

// Compute the band energies in 48ths of 256 units. Both end bands are doubled.
static void band_energies(const dk_complex *bins, uint64_t energy[DK_CEPSTRUM])
{
    uint64_t carried = 0;  // the rising side of the current band
    for (size_t band = 0; band < INTERVALS; band++) {
        const uint32_t width = dk_features_widths[band];
        uint64_t total = 0, ramp = 0;  // ramp: sum of j p[j], by adding the sums from the top down
        for (uint32_t j = width - 1; j > 0; j--) {
            total += power(bins[j]) >> 8;
            ramp += total;
        }
        total += power(bins[0]) >> 8;
        energy[band] = carried + (width * total - ramp) * (COMMON / width);
        carried = ramp * (COMMON / width);
        bins += width;
    }
    energy[INTERVALS] = 2 * carried;
    energy[0] *= 2;
}

static inline int32_t largest(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

void dk_features_floor(int32_t logs[DK_CEPSTRUM])
{
    int32_t peak = DK_LOG_START, follow = DK_LOG_START;
    for (size_t band = 0; band < DK_CEPSTRUM; band++) {
        const int32_t lowest = largest(peak - DK_LOG_RANGE, follow - DK_LOG_FOLLOW);
        const int32_t value = largest(lowest, logs[band]);
        peak = largest(peak, value);
        follow = largest(follow - DK_LOG_FOLLOW, value);
        logs[band] = value;
    }
}

static void band_logs(const dk_complex bins[DK_FFT_BINS], int scale, int32_t logs[DK_CEPSTRUM])
{
    uint64_t energy[DK_CEPSTRUM];
    band_energies(bins, energy);
    const uint64_t floor = (uint64_t)3 << (6 + 2 * scale);  // 0.01 in the energies' format
    const int32_t unit = DK_LOG_75 + (8 + 2 * scale) * (1 << DK_LOG_FRAC);
    for (size_t band = 0; band < DK_CEPSTRUM; band++) {
        logs[band] = dk_log2(energy[band] + floor) - unit;
    }
    dk_features_floor(logs);
}

// Transform the logarithms to the cepstrum. The cosines of an even row are the same from both ends;
// the cosines of an odd row have opposite signs.
void dk_features_cepstrum(const int32_t logs[DK_CEPSTRUM], int32_t cepstrum[DK_CEPSTRUM])
{
    const int shift = 30 + DK_LOG_FRAC - CEPSTRUM_FRAC;
    int32_t folded[2][HALF];
    for (size_t n = 0; n < HALF; n++) {
        folded[0][n] = logs[n] + logs[DK_CEPSTRUM - 1 - n];
        folded[1][n] = logs[n] - logs[DK_CEPSTRUM - 1 - n];
    }
    for (size_t k = 0; k < DK_CEPSTRUM; k++) {
        const int64_t sum = dk_dot(dk_features_half_dct[k], folded[k % 2], HALF);
        cepstrum[k] = (int32_t)dk_rounded(sum, shift);
    }
    cepstrum[0] -= 4 << CEPSTRUM_FRAC;
}

// Return (10 log10 |X|^2 - 6) / 64 within -1 .. 1, Q15.
static int16_t log_power(uint64_t square, int scale)
{
    if (square == 0) {
        return INT16_MIN;
    }
    const int32_t log = dk_log2(square) - 2 * scale * (1 << DK_LOG_FRAC) - DK_LOG_POINTS;
    const int64_t value = dk_rounded(dk_rounded(log, 12) * DK_IF_SLOPE, 15) - DK_IF_OFFSET;
    return (int16_t)dk_saturate(value, 16);
}

// Compute X / |X|, Q14; a zero bin gives zero.
static void unit_vector(dk_complex x, int16_t unit[2])
{
    const int length = dk_bits32(dk_magnitude(x.re) | dk_magnitude(x.im));
    if (length == 0) {
        unit[0] = unit[1] = 0;
        return;
    }
    const int32_t a = (x.re * (1 << (31 - length))) >> 16, b = (x.im * (1 << (31 - length))) >> 16;
    const uint32_t square = (uint32_t)(a * a) + (uint32_t)(b * b);
    const int small = square < 1U << 30;
    const int64_t root = dk_rsqrt(small ? square << 2 : square);
    unit[0] = (int16_t)dk_rounded(a * root, 32 - small);
    unit[1] = (int16_t)dk_rounded(b * root, 32 - small);
}

static void phase_features(const dk_complex bins[DK_FFT_BINS], int scale,
                           int16_t phase[DK_PHASE_BINS][2], int16_t out[DK_PHASES])
{
    out[0] = log_power((uint64_t)((int64_t)bins[0].re * bins[0].re), scale);
    for (size_t k = 0; k < DK_PHASE_BINS; k++) {
        const int32_t past_re = phase[k][0], past_im = phase[k][1];
        unit_vector(bins[k + 1], phase[k]);
        const int32_t re = phase[k][0], im = phase[k][1];
        const int shift = 2 * UNIT_FRAC - PHASE_FRAC;
        out[3 * k + 1] = (int16_t)dk_saturate(dk_rounded(re * past_re + im * past_im, shift), 16);
        out[3 * k + 2] = (int16_t)dk_saturate(dk_rounded(im * past_re - re * past_im, shift), 16);
        out[3 * k + 3] = log_power(power(bins[k + 1]), scale);
    }
}

void dk_features_spectral(dk_features *features, const int16_t x[DK_FFT_POINTS + 1],
                          int16_t phases[DK_PHASES], int32_t logs[DK_CEPSTRUM])
{
    dk_complex bins[DK_FFT_BINS];
    const int scale = spectrum(x, bins);
    band_logs(bins, scale, logs);
    dk_features_cepstrum(logs, features->cepstrum);
    if (phases != NULL) {
        phase_features(bins, scale, features->phase, phases);
    }
}
