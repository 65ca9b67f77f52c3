// SPDX-License-Identifier: BSD-3-Clause
// Runs each kernel of firmware/dredkit/dsp on noise of every level and on the extremes that it
// takes, and prints a line for each: its name and a hash of all its results. Runs on a host, and on
// emulated boards.
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "dsp/correlate.h"
#include "dsp/fft.h"
#include "dsp/filter.h"
#include "dsp/normalise.h"
#include "dsp/spans.h"
#include "dsp/window.h"

#define ROUNDS 24
#define PATTERNS 5

static uint32_t hash = 2166136261U, seed;

static void take(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 16777619U;
    }
}

static void tell(const char *name)
{
    printf("%s %08lx\n", name, (unsigned long)hash);
    hash = 2166136261U;
}

static int32_t noise(void)
{
    seed = seed * 1664525U + 1013904223U;
    return (int32_t)(seed ^ seed >> 15);
}

// Return a sample within [-top - 1, top], top = 2^bits - 1. By pattern: the extremes in turn, one
// of them always, one of them at random, or noise.
static int32_t sample(int pattern, size_t n, int bits)
{
    const int32_t top = (int32_t)((1U << bits) - 1);
    switch (pattern % PATTERNS) {
        case 0:
            return n % 2 > 0 ? top : -top - 1;
        case 1:
            return top;
        case 2:
            return -top - 1;
        case 3:
            return noise() < 0 ? -top - 1 : top;
        default:
            return bits > 0 ? noise() >> (31 - bits) : 0;
    }
}

static void fill16(int16_t *x, size_t count, int pattern, int bits)
{
    for (size_t n = 0; n < count; n++) {
        x[n] = (int16_t)sample(pattern, n, bits);
    }
}

static void fill32(int32_t *x, size_t count, int pattern, int bits)
{
    for (size_t n = 0; n < count; n++) {
        x[n] = sample(pattern, n, bits);
    }
}

// Energies stay below 2^30: 416 samples of 10 bits, or a few large ones.
static void correlate(int round)
{
    enum { SPAN = DK_CORRELATE_SAMPLES + 256 };
    static alignas(int32_t) int16_t x[SPAN];
    static int32_t dots[DK_CORRELATE_LAGS];
    static int16_t ratios[DK_CORRELATE_LAGS];
    fill16(x, SPAN, round < 8 ? 4 : round, round < 8 ? round : 10);
    if (round >= 12) {
        fill16(x, SPAN, 4, 2);
        x[((uint32_t)noise() >> 8) % SPAN] = (int16_t)(round % 2 > 0 ? -32700 : 32700);
    }
    dk_correlate16(x + SPAN - DK_CORRELATE_SAMPLES, x, dots);
    take(dots, sizeof dots);
    uint32_t energy = 1U << round % 8;
    energy += (uint32_t)dk_energy16(x, DK_CORRELATE_SAMPLES);
    energy += (uint32_t)dk_energy16(x + SPAN - DK_CORRELATE_SAMPLES, DK_CORRELATE_SAMPLES);
    dk_normalise16(x, energy, dots, ratios);
    take(ratios, sizeof ratios);
    for (size_t count = 8; count <= SPAN; count += 40) {
        const int32_t part = dk_energy16(x, count);
        take(&part, sizeof part);
    }
}

// Any energy, and sums of every size that the energy allows.
static void normalise(int round)
{
    static int16_t x[DK_CORRELATE_SAMPLES + DK_CORRELATE_LAGS], ratios[DK_CORRELATE_LAGS];
    static int32_t dots[DK_CORRELATE_LAGS];
    for (int again = 0; again < 40; again++) {
        const uint32_t energy = 1U + (uint32_t)noise() % (UINT32_MAX >> round);
        for (size_t i = 0; i < DK_CORRELATE_LAGS; i++) {

            const int64_t part = (int64_t)(energy / 2) * ((uint32_t)noise() >> 16) >> 16;
            dots[i] = (int32_t)(i % 2 > 0 ? part : -part);
        }
        dots[0] = (int32_t)(energy / 2);
        dots[1] = -dots[0];
        dk_normalise16(x, energy, dots, ratios);
        take(ratios, sizeof ratios);
    }
}

static void spectrum(int round)
{
    static int32_t x[DK_FFT_POINTS];
    static dk_complex bins[DK_FFT_BINS];
    fill32(x, DK_FFT_POINTS, round, round < 2 * PATTERNS ? 22 : round - 2);
    dk_real_fft(x, bins);
    take(bins, sizeof bins);
}

static void filter(int round)
{
    static int32_t taps[DK_FILTER_ROOM], y[160];
    static int16_t x[160 + DK_FILTER_ROOM];
    fill32(taps, DK_FILTER_TAPS, round / PATTERNS, 30 - round / PATTERNS);
    fill16(x, sizeof x / sizeof *x, round, 15);
    dk_filter(taps, x, 160, y);
    take(y, sizeof y);
}

static void echo(int round)
{
    static int32_t x[161], y[160];
    fill32(x, 161, round, 30 - round / PATTERNS);
    dk_echo(x, 160, round % 2 > 0 ? 1503238554 : -(1 << 30), y);
    take(y, sizeof y);
}

static void spans(int round)
{
    static int32_t x[416];
    static int16_t y[416];
    const int bits = 30 - round;
    fill32(x, 416, round, bits);
    for (size_t count = 8; count <= 416; count += 24) {
        // Kernels agree on the peak's length in bits, not on the number.
        uint32_t peak = dk_peak32(x, count), length = 0;
        for (; peak > 0; peak >>= 1) {
            length++;
        }
        take(&length, sizeof length);
        const int down = bits > 26 ? bits - 26 : 0;
        const uint64_t energy = dk_energy32(x, count, down);
        take(&energy, sizeof energy);
        const int64_t dot = dk_dot32(x, x + 3, count - 3, down);
        take(&dot, sizeof dot);
    }
    for (int shift = bits - 14; shift <= bits; shift++) {
        dk_scale16(x, 416, shift, y);
        take(y, sizeof y);
    }
}

static void window(int round)
{
    static int16_t x[DK_FFT_POINTS + 1];
    static int32_t y[DK_FFT_POINTS], rising[DK_FFT_POINTS / 2];
    fill16(x, DK_FFT_POINTS + 1, round, 15);
    dk_emphasise(x, DK_FFT_POINTS, y);
    take(y, sizeof y);
    fill32(rising, DK_FFT_POINTS / 2, round / PATTERNS, 23);
    const int up = round % 20;
    fill32(y, DK_FFT_POINTS, round, 31 - up);
    dk_window(y, DK_FFT_POINTS, rising, up);
    take(y, sizeof y);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(int round);
    } kernels[] = {
        {"correlate", correlate}, {"normalise", normalise}, {"fft", spectrum},  {"filter", filter},
        {"echo", echo},           {"spans", spans},         {"window", window},
    };
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        seed = 1;
        for (int round = 0; round < ROUNDS; round++) {
            kernels[i].run(round);
        }
        tell(kernels[i].name);
    }
    return 0;
}
