// SPDX-License-Identifier: BSD-3-Clause
// The distance of spectra from the spectra wanted, and its gradient; 16 signals at a time, one a
// lane.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

static const float LEAST_POWER = 1e-9f, FLOOR = 1e-3f;
enum { WANTED = 3 };  // kept of each bin: real, imaginary, wanted magnitude

static inline vf vsqrt(vf x)
{
    vf y;
    for (int i = 0; i < LANES; i++)
        y[i] = sqrtf(x[i]);
    return y;
}

// Natural logarithm of normal positive numbers, to a few units in the last place.
static inline vf vlog(vf x)
{
    vi bits = (vi)x;
    vi exponent = ((bits - 0x3F3504F3) >> 23);  // so that the rest lies around 1
    const vf m = (vf)(bits - (exponent << 23)) - 1.0f;
    const vf e = __builtin_convertvector(exponent, vf);
    vf p = m * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    return m + m * m * (p * m - 0.5f) + e * 0.69314718056f;
}

static inline vf vabs(vf x)
{
    return (vf)((vi)x & 0x7FFFFFFF);
}

static double sum(vf x)
{
    double total = 0;
    for (int i = 0; i < LANES; i++)
        total += x[i];
    return total;
}

// Tables of one window length.
typedef struct {
    int n;
    float *window, *cosine, *sine;  // Hann; the twiddles of half a turn
    int *reversed;
} tables;

static int make_tables(tables *t, int n)
{
    *t = (tables){
        .n = n, .window = malloc(sizeof(float) * 2 * n), .reversed = malloc(sizeof(int) * n)};
    if (!t->window || !t->reversed) {
        free(t->window);
        free(t->reversed);
        return -1;
    }
    t->cosine = t->window + n;
    t->sine = t->cosine + n / 2;
    const double turn = 6.283185307179586 / n;
    for (int i = 0; i < n; i++) {
        t->window[i] = (float)(0.5 - 0.5 * cos(turn * i));
        int bits = 0;
        for (int k = 1, j = i; k < n; k *= 2, j /= 2)
            bits = 2 * bits + j % 2;
        t->reversed[i] = bits;
    }
    for (int i = 0; i < n / 2; i++) {
        t->cosine[i] = (float)cos(turn * i);
        t->sine[i] = (float)-sin(turn * i);
    }
    return 0;
}

static void drop_tables(tables *t)
{
    free(t->window);
    free(t->reversed);
}

// Discrete Fourier transform in place of values that lie in bit-reversed order.
static void transform(const tables *t, vf *re, vf *im)
{
    for (int half = 1; half < t->n; half *= 2) {
        const int hop = t->n / (2 * half);
        for (int k = 0; k < half; k++) {
            const float c = t->cosine[k * hop], s = t->sine[k * hop];
            for (int i = k; i < t->n; i += 2 * half) {
                const vf a = re[i + half], b = im[i + half];
                const vf x = a * c - b * s, y = a * s + b * c;
                const vf p = re[i], q = im[i];
                re[i + half] = p - x;
                im[i + half] = q - y;
                re[i] = p + x;
                im[i] = q + y;
            }
        }
    }
}

// Sums over all bins of a batch that the loss is made of.
typedef struct {
    double roots, roots_wanted, apart, power, logs;
} sums;

// Computes the spectra of one frame of 16 signals and of the 16 signals wanted. Keeps them as
// [bin][3] and adds to the sums.
static void analyse(const tables *t, const vf *got, const vf *want, int begin, int samples,
                    float weight, vf *re, vf *im, vf *keep, sums *to)
{
    const int n = t->n;
    for (int j = 0; j < n; j++) {
        const int from = begin + j, inside = from >= 0 && from < samples;
        const int at = t->reversed[j];
        const float share = inside ? t->window[j] : 0.0f;
        re[at] = got[inside ? from : 0] * share;
        im[at] = want[inside ? from : 0] * share;
    }
    transform(t, re, im);
    vf roots = {0}, wanted = {0}, apart = {0}, power = {0}, logs = {0};
    for (int k = 0; k <= n / 2; k++) {
        const int l = (n - k) % n;
        const vf x = 0.5f * (re[k] + re[l]), y = 0.5f * (im[k] - im[l]);
        const vf u = 0.5f * (im[k] + im[l]), v = 0.5f * (re[l] - re[k]);
        const vf theirs = vsqrt(u * u + v * v + LEAST_POWER);
        const vf mine = vsqrt(x * x + y * y + LEAST_POWER), root = vsqrt(theirs);
        const vf error = mine - theirs;
        wanted += root;
        power += theirs * theirs;
        roots += vabs(vsqrt(mine) - root);
        apart += error * error;
        logs += vabs(vlog((mine + FLOOR) / (theirs + FLOOR)));
        keep[WANTED * k] = x;
        keep[WANTED * k + 1] = y;
        keep[WANTED * k + 2] = theirs;
    }
    to->roots_wanted += sum(wanted);
    to->power += sum(power);
    to->roots += weight * sum(roots);
    to->apart += weight * sum(apart);
    to->logs += weight * sum(logs);
}

// Computes the gradient of a bin's real and imaginary part from the gradients of the three sums.
static inline void slope(const vf *keep, float root, float apart, float logs, vf *x, vf *y)
{
    const vf mine = vsqrt(keep[0] * keep[0] + keep[1] * keep[1] + LEAST_POWER);
    const vf error = mine - keep[2];
    const vi above = error > 0.0f, below = error < 0.0f;
    const vf sign = (vf)(((vi)splat(1.0f) & above) | ((vi)splat(-1.0f) & below));
    const vf d = sign * (0.5f * root / vsqrt(mine) + logs / (mine + FLOOR)) + apart * error;
    *x = d / mine * keep[0];
    *y = d / mine * keep[1];
}

// Adds the gradient of two frames (or one) to the signal's gradient.
static void back(const tables *t, const vf *const keep[2], const float weight[2],
                 const int begin[2], int frames, const float factor[3], int samples, vf *re, vf *im,
                 vf *dgot)
{
    const int n = t->n;
    memset(re, 0, sizeof(vf) * n);
    memset(im, 0, sizeof(vf) * n);
    // A real signal's spectrum is its own mirror image, so one inverse transform serves two frames.
    // It is a transform with real and imaginary parts exchanged.
    for (int f = 0; f < frames; f++)
        for (int k = 0; k <= n / 2; k++) {
            vf x, y;
            slope(keep[f] + WANTED * k, factor[0] * weight[f], factor[1] * weight[f],
                  factor[2] * weight[f], &x, &y);
            const float share = k == 0 || k == n / 2 ? 1.0f : 0.5f;
            const int at = t->reversed[k], mirror = t->reversed[(n - k) % n];
            x *= share;
            y *= k == 0 || k == n / 2 ? 0.0f : share;
            if (f == 0) {
                re[at] += y, im[at] += x;
                if (mirror != at)
                    re[mirror] -= y, im[mirror] += x;
            } else {
                re[at] += x, im[at] -= y;
                if (mirror != at)
                    re[mirror] += x, im[mirror] += y;
            }
        }
    transform(t, re, im);
    for (int f = 0; f < frames; f++)
        for (int j = 0; j < n; j++) {
            const int to = begin[f] + j;
            if (to >= 0 && to < samples)
                dgot[to] += (f == 0 ? im[j] : re[j]) * t->window[j];
        }
}

// Transposes signals [rows][samples] to [samples][16]; rows beyond `rows` are zero.
static void lanes(const float *x, int rows, int samples, vf *to)
{
    for (int i = 0; i < samples; i++)
        to[i] = (vf){0};
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < samples; i++)
            ((float *)to)[(size_t)i * LANES + r] = x[(size_t)r * samples + i];
}

typedef struct {
    vf *got, *want, *dgot, *re, *im, *keep;
} scratch;

static void free_scratch(scratch *s)
{
    free(s->got);
    free(s->keep);
}

static int make_scratch(scratch *s, int samples, int n, size_t kept)
{
    s->got = aligned_alloc(64, sizeof(vf) * (3 * (size_t)samples + 2 * (size_t)n));
    s->keep = aligned_alloc(64, sizeof(vf) * kept);
    if (!s->got || !s->keep) {
        free_scratch(s);
        return -1;
    }
    s->want = s->got + samples;
    s->dgot = s->want + samples;
    s->re = s->dgot + samples;
    s->im = s->re + n;
    return 0;
}

// The spectral distance of signals [batch][samples] at one resolution (see fargan/losses.py), with
// a weight for each of the 1 + samples / hop frames; its gradient is added to dgot. The window is
// a power of two. Returns the distance, or NaN without memory.
double spectral_distance(int batch, int samples, int window, int hop, const float *got,
                         const float *want, const float *weight, float *dgot)
{
    const int frames = 1 + samples / hop, bins = window / 2 + 1;
    const int blocks = (batch + LANES - 1) / LANES;
    const size_t row = (size_t)WANTED * bins, block = row * frames;
    tables t;
    scratch s;
    if (make_tables(&t, window))
        return NAN;
    if (make_scratch(&s, samples, window, block * blocks)) {
        drop_tables(&t);
        return NAN;
    }
    sums total = {0};
    for (int b = 0; b < blocks; b++) {
        const int rows = batch - b * LANES < LANES ? batch - b * LANES : LANES;
        lanes(got + (size_t)b * LANES * samples, rows, samples, s.got);
        lanes(want + (size_t)b * LANES * samples, rows, samples, s.want);
        for (int f = 0; f < frames; f++)
            analyse(&t, s.got, s.want, f * hop - window / 2, samples, weight[f], s.re, s.im,
                    s.keep + block * b + row * f, &total);
    }
    const double count = (double)batch * frames * bins;
    // Lanes without a signal have the least magnitude in both.
    const double idle = (double)(blocks * LANES - batch) * frames * bins;
    const double least = sqrt(LEAST_POWER);
    const double wanted = (total.roots_wanted - idle * sqrt(least)) / count + FLOOR;
    const double power = sqrt(total.power - idle * LEAST_POWER) + FLOOR, apart = sqrt(total.apart);
    const float factor[3] = {(float)(1 / (count * wanted)),
                             (float)(apart > 0 ? 0.3 / (power * apart) : 0), (float)(0.3 / count)};
    for (int b = 0; b < blocks; b++) {
        const int rows = batch - b * LANES < LANES ? batch - b * LANES : LANES;
        for (int i = 0; i < samples; i++)
            s.dgot[i] = (vf){0};
        for (int f = 0; f < frames; f += 2) {
            const vf *keep[2] = {s.keep + block * b + row * f, s.keep + block * b + row * (f + 1)};
            const int pair = f + 1 < frames;
            const float weights[2] = {weight[f], pair ? weight[f + 1] : 0.0f};
            const int begin[2] = {f * hop - window / 2, (f + 1) * hop - window / 2};
            if (weights[0] != 0.0f || weights[1] != 0.0f)
                back(&t, keep, weights, begin, 1 + pair, factor, samples, s.re, s.im, s.dgot);
        }
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < samples; i++)
                dgot[((size_t)b * LANES + r) * samples + i] += s.dgot[i][r];
    }
    free_scratch(&s);
    drop_tables(&t);
    return total.roots / count / wanted + 0.3 * apart / power + 0.3 * total.logs / count;
}
