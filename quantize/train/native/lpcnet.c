// SPDX-License-Identifier: BSD-3-Clause
// The inner loops of LPCNet training: a GRU over thousands of small sequential steps, the tree of
// sigmoids, and the noisy teacher signal. Float, for the host that trains; the device runs integers.
//
// Arrays are row-major. Sizes are multiples of 16 units and 8 sequences (checked by the caller).

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16, ROWS = 8, PANEL = 32, ORDER = 16, TREE_DEPTH = 8 };

typedef float vf __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(64), aligned(4), may_alias));

static inline vf splat(float x) { return (vf){0} + x; }

static inline vf clamp(vf x, float low, float high) {
    const vf lo = splat(low), hi = splat(high);
    const vi below = x < lo, above = x > hi;
    return (vf)(((vi)x & ~(below | above)) | ((vi)lo & below) | ((vi)hi & above));
}

// e^x to a few units in the last place: 2^n from the exponent bits, the rest by a polynomial.
static inline vf vexp(vf x) {
    x = clamp(x, -80.0f, 80.0f);
    const vf shifted = x * 1.44269504f + 12582912.0f; // adding 1.5 * 2^23 rounds to an integer
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

static inline vf vsigmoid(vf x) { return 1.0f / (1.0f + vexp(-x)); }
static inline vf vtanh(vf x) { return 2.0f / (1.0f + vexp(-2.0f * x)) - 1.0f; }

// Weights [outputs][inputs] (or, transposed, [inputs][outputs]) as panels of 32 columns:
// [outputs / 32][inputs][32], the last panel possibly half used.
static float *pack(const float *w, int inputs, int outputs, int transposed) {
    const int panels = (outputs + PANEL - 1) / PANEL;
    const size_t bytes = sizeof(float) * (size_t)panels * (size_t)inputs * PANEL;
    float *packed = aligned_alloc(64, bytes);
    if (!packed) return NULL;
    memset(packed, 0, bytes);
    for (int o = 0; o < outputs; o++)
        for (int i = 0; i < inputs; i++)
            packed[((size_t)(o / PANEL) * inputs + i) * PANEL + o % PANEL] =
                transposed ? w[(size_t)i * outputs + o] : w[(size_t)o * inputs + i];
    return packed;
}

// out[batch][outputs] = x[batch][inputs] * packed weights.
static void multiply(const float *packed, const float *x, float *out, int batch, int inputs,
                     int outputs) {
    for (int o = 0; o < outputs; o += PANEL) {
        const float *panel = packed + (size_t)(o / PANEL) * inputs * PANEL;
        for (int b = 0; b < batch; b += ROWS) {
            vf acc[ROWS][2];
            for (int r = 0; r < ROWS; r++) acc[r][0] = acc[r][1] = (vf){0};
            const float *row = x + (size_t)b * inputs;
            for (int i = 0; i < inputs; i++) {
                const vf w0 = *(const vf *)(panel + (size_t)i * PANEL);
                const vf w1 = *(const vf *)(panel + (size_t)i * PANEL + LANES);
#pragma GCC unroll 8
                for (int r = 0; r < ROWS; r++) {
                    const float v = row[(size_t)r * inputs + i];
                    acc[r][0] += v * w0;
                    acc[r][1] += v * w1;
                }
            }
            for (int r = 0; r < ROWS; r++) {
                float *to = out + (size_t)(b + r) * outputs + o;
                *(vf *)to = acc[r][0];
                if (o + LANES < outputs) *(vf *)(to + LANES) = acc[r][1];
            }
        }
    }
}

// Forward pass of a GRU, gates ordered z, r, h: h' = z*h + (1-z)*tanh(in + r*(U h + b)).
// in = cond[t / hop] + dense[t] + the rows of tables[0..2] chosen by index[t] (dense and index may
// be null). h has steps + 1 entries, the first one given. Keeps z, r, n and U h + b (its h part)
// in saved [steps][batch][4][units]. Returns 0, or -1 without memory.
int gru_forward(int steps, int batch, int units, int hop, const float *cond, const float *dense,
                const uint8_t *index, const float *tables, const float *u, const float *bias,
                float *h, float *saved) {
    const int gates = 3 * units;
    float *packed = pack(u, units, gates, 0);
    float *rec = aligned_alloc(64, sizeof(float) * (size_t)batch * gates);
    if (!packed || !rec) {
        free(packed);
        free(rec);
        return -1;
    }
    for (int t = 0; t < steps; t++) {
        const float *before = h + (size_t)t * batch * units;
        multiply(packed, before, rec, batch, units, gates);
        for (int b = 0; b < batch; b++) {
            const size_t at = (size_t)t * batch + b;
            const float *c = cond + ((size_t)(t / hop) * batch + b) * gates;
            const float *d = dense ? dense + at * gates : NULL;
            const float *e[3] = {NULL, NULL, NULL};
            for (int k = 0; index && k < 3; k++)
                e[k] = tables + ((size_t)k * 256 + index[at * 3 + k]) * gates;
            float *keep = saved + at * 4 * units;
            float *after = h + (at + batch) * units;
            for (int j = 0; j < units; j += LANES) {
                vf in[3], us[3];
                for (int g = 0; g < 3; g++) {
                    const int o = g * units + j;
                    in[g] = *(const vf *)(c + o);
                    if (d) in[g] += *(const vf *)(d + o);
                    if (index)
                        in[g] += *(const vf *)(e[0] + o) + *(const vf *)(e[1] + o) +
                                 *(const vf *)(e[2] + o);
                    us[g] = *(const vf *)(rec + (size_t)b * gates + o) + *(const vf *)(bias + o);
                }
                const vf z = vsigmoid(in[0] + us[0]);
                const vf r = vsigmoid(in[1] + us[1]);
                const vf n = vtanh(in[2] + r * us[2]);
                const vf s = *(const vf *)(before + (size_t)b * units + j);
                *(vf *)(after + j) = z * s + (1.0f - z) * n;
                *(vf *)(keep + j) = z;
                *(vf *)(keep + units + j) = r;
                *(vf *)(keep + 2 * units + j) = n;
                *(vf *)(keep + 3 * units + j) = us[2];
            }
        }
    }
    free(packed);
    free(rec);
    return 0;
}

// Backward pass: from dh [steps][batch][units] to the gradient of the recurrent gates
// drec [steps][batch][3 units] (their products with h and 1 give those of U and b), added to dcond
// and dtables, written to ddense. Returns 0, or -1 without memory.
int gru_backward(int steps, int batch, int units, int hop, const float *dh, const uint8_t *index,
                 const float *u, const float *h, const float *saved, float *drec, float *dcond,
                 float *ddense, float *dtables) {
    const int gates = 3 * units;
    float *packed = pack(u, gates, units, 1);
    float *carry = aligned_alloc(64, sizeof(float) * (size_t)batch * units);
    float *through = aligned_alloc(64, sizeof(float) * (size_t)batch * units);
    if (!packed || !carry || !through) {
        free(packed);
        free(carry);
        free(through);
        return -1;
    }
    memset(carry, 0, sizeof(float) * (size_t)batch * units);
    for (int t = steps - 1; t >= 0; t--) {
        float *rec = drec + (size_t)t * batch * gates;
        for (int b = 0; b < batch; b++) {
            const size_t at = (size_t)t * batch + b;
            const float *keep = saved + at * 4 * units;
            float *dc = dcond + ((size_t)(t / hop) * batch + b) * gates;
            float *dd = ddense ? ddense + at * gates : NULL;
            float *de[3] = {NULL, NULL, NULL};
            for (int k = 0; index && k < 3; k++)
                de[k] = dtables + ((size_t)k * 256 + index[at * 3 + k]) * gates;
            for (int j = 0; j < units; j += LANES) {
                const vf z = *(const vf *)(keep + j);
                const vf r = *(const vf *)(keep + units + j);
                const vf n = *(const vf *)(keep + 2 * units + j);
                const vf us = *(const vf *)(keep + 3 * units + j);
                const vf s = *(const vf *)(h + at * units + j);
                vf *c = (vf *)(carry + (size_t)b * units + j);
                const vf g = *(const vf *)(dh + at * units + j) + *c;
                const vf dn = g * (1.0f - z) * (1.0f - n * n);
                const vf din[3] = {g * (s - n) * z * (1.0f - z), dn * us * r * (1.0f - r), dn};
                *c = g * z;
                float *to = rec + (size_t)b * gates + j;
                *(vf *)to = din[0];
                *(vf *)(to + units) = din[1];
                *(vf *)(to + 2 * units) = dn * r;
                for (int k = 0; k < 3; k++) {
                    const int o = k * units + j;
                    *(vf *)(dc + o) += din[k];
                    if (dd) *(vf *)(dd + o) = din[k];
                    for (int i = 0; index && i < 3; i++) *(vf *)(de[i] + o) += din[k];
                }
            }
        }
        multiply(packed, rec, through, batch, gates, units);
        for (int i = 0; i < batch * units; i += LANES)
            *(vf *)(carry + i) += *(const vf *)(through + i);
    }
    free(packed);
    free(carry);
    free(through);
    return 0;
}

// Loss of the sigmoid tree: 8 binary decisions from the root (node 1), child 2n + bit, for codes
// target [count]. A node's logit is a0*tanh(w0.x + b0) + a1*tanh(w1.x + b1); w is [256][2][units],
// b and a [256][2]. Returns the mean loss in nats and adds the gradients of that mean.
double tree_loss(int count, int units, const float *x, const uint8_t *target, const float *w,
                 const float *b, const float *a, float *dx, float *dw, float *db, float *da) {
    double total = 0;
    const float share = 1.0f / (float)count;
    for (int t = 0; t < count; t++) {
        const float *in = x + (size_t)t * units;
        float *din = dx + (size_t)t * units;
        float tanhs[TREE_DEPTH * 2] __attribute__((aligned(64)));
        int node = 1, path[TREE_DEPTH];
        for (int d = 0; d < TREE_DEPTH; d++) {
            path[d] = node;
            for (int k = 0; k < 2; k++) {
                const float *row = w + ((size_t)node * 2 + k) * units;
                vf sum = (vf){0};
                for (int j = 0; j < units; j += LANES)
                    sum += *(const vf *)(row + j) * *(const vf *)(in + j);
                float dot = b[node * 2 + k];
                for (int j = 0; j < LANES; j++) dot += sum[j];
                tanhs[2 * d + k] = dot;
            }
            node = 2 * node + ((target[t] >> (TREE_DEPTH - 1 - d)) & 1);
        }
        *(vf *)tanhs = vtanh(*(const vf *)tanhs);
        for (int j = 0; j < units; j++) din[j] = 0;
        for (int d = 0; d < TREE_DEPTH; d++) {
            const int n = path[d], bit = (target[t] >> (TREE_DEPTH - 1 - d)) & 1;
            const float logit = a[2 * n] * tanhs[2 * d] + a[2 * n + 1] * tanhs[2 * d + 1];
            const float right = bit ? logit : -logit;
            total += right > 0 ? log1pf(expf(-right)) : log1pf(expf(right)) - right;
            const float chance = 1.0f / (1.0f + expf(-logit));
            const float g = (chance - (float)bit) * share;
            for (int k = 0; k < 2; k++) {
                const float th = tanhs[2 * d + k];
                const float back = g * a[2 * n + k] * (1.0f - th * th);
                da[2 * n + k] += g * th;
                db[2 * n + k] += back;
                const float *row = w + ((size_t)n * 2 + k) * units;
                float *drow = dw + ((size_t)n * 2 + k) * units;
                for (int j = 0; j < units; j += LANES) {
                    *(vf *)(drow + j) += back * *(const vf *)(in + j);
                    *(vf *)(din + j) += back * *(const vf *)(row + j);
                }
            }
        }
    }
    return total / count;
}

static int to_mulaw(float x) {
    const float code = 128.0f * log1pf(fabsf(x) * (255.0f / 32768.0f)) / 5.54517744f;
    const float rounded = floorf(0.5f + 128.0f + (x < 0 ? -code : code));
    return rounded < 0 ? 0 : rounded > 255 ? 255 : (int)rounded;
}

static float from_mulaw(int code) {
    const float u = (float)(code - 128) / 128.0f;
    const float size = (expf(fabsf(u) * 5.54517744f) - 1.0f) * (32768.0f / 255.0f);
    return u < 0 ? -size : size;
}

// What the network hears while it learns: past samples with quantisation noise, so that it learns
// to recover. signal [batch][16 + steps] (int16 scale, pre-emphasised), lpc [batch][steps/hop][16],
// noise [batch][steps] in mu-law steps. Writes index [steps][batch][3] (last sample, prediction,
// last excitation) and the excitation codes that are to be predicted, target [steps][batch].
void teacher(int steps, int batch, int hop, const float *signal, const float *lpc,
             const int8_t *noise, uint8_t *index, uint8_t *target) {
    for (int b = 0; b < batch; b++) {
        const float *x = signal + (size_t)b * (steps + ORDER);
        float past[ORDER];
        for (int k = 0; k < ORDER; k++) past[k] = x[ORDER - 1 - k];
        int excitation = 128;
        for (int t = 0; t < steps; t++) {
            const float *a = lpc + ((size_t)b * (steps / hop) + t / hop) * ORDER;
            float prediction = 0;
            for (int k = 0; k < ORDER; k++) prediction -= a[k] * past[k];
            uint8_t *in = index + ((size_t)t * batch + b) * 3;
            in[0] = (uint8_t)to_mulaw(past[0]);
            in[1] = (uint8_t)to_mulaw(prediction);
            in[2] = (uint8_t)excitation;
            const int want = to_mulaw(x[ORDER + t] - prediction);
            target[(size_t)t * batch + b] = (uint8_t)want;
            excitation = want + noise[(size_t)b * steps + t];
            excitation = excitation < 0 ? 0 : excitation > 255 ? 255 : excitation;
            memmove(past + 1, past, sizeof(float) * (ORDER - 1));
            past[0] = prediction + from_mulaw(excitation);
        }
    }
}
