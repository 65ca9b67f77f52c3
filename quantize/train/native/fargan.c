// SPDX-License-Identifier: BSD-3-Clause
// FARGAN's steps over a batch. All layers of a step run together, because each step needs the
// samples of the step before.

#include "fargan.h"

#include <stdlib.h>
#include <string.h>

#include "matrix.h"
#include "vectors.h"

enum { STEP = 40, AROUND = 2, PREDICTED = 44, HISTORY = 256, HEARD = 80, TAPS = 16, SHAPE = 48 };
enum { SEEN = 176, NOW = PREDICTED + STEP };  // inputs of the first layer; where this step's begin

static const float LEAST_GAIN = 1e-5f;

// All matrices of a step, arranged for one direction.
typedef struct {
    matrix first, first_gate, taps, input[3], recurrent[3], gate[3], skip, skip_gate, out;
} layers;

typedef struct {
    matrix *m;
    const float *w;
    int inputs, outputs;
} plan;

enum { LAYERS = 15 };

static void list(const fargan_sizes *n, const fargan_weights *w, layers *l, plan *to)
{
    const int *u = n->units;
    const int before[3] = {n->first, u[0], u[1]};
    plan *p = to;
    *p++ = (plan){&l->first, w->first, SEEN, n->first};
    *p++ = (plan){&l->first_gate, w->first_gate, n->first, n->first};
    *p++ = (plan){&l->taps, w->taps, n->first, TAPS};
    for (int k = 0; k < 3; k++) {
        *p++ = (plan){&l->input[k], w->input[k], before[k] + HEARD, 3 * u[k]};
        *p++ = (plan){&l->recurrent[k], w->recurrent[k], u[k], 3 * u[k]};
        *p++ = (plan){&l->gate[k], w->gate[k], u[k], u[k]};
    }
    *p++ = (plan){&l->skip, w->skip, u[0] + u[1] + u[2] + n->first + HEARD, n->skip};
    *p++ = (plan){&l->skip_gate, w->skip_gate, n->skip, n->skip};
    *p++ = (plan){&l->out, w->out, n->skip, SHAPE};
}

static void drop_first(const plan *p, int count)
{
    for (int i = 0; i < count; i++)
        drop(p[i].m);
}

// Arranges all matrices, transposed for the backward pass. Returns 0, or -1 without memory.
static int arrange_all(plan *p, int transposed, int batch)
{
    for (int i = 0; i < LAYERS; i++) {
        const int in = transposed ? p[i].outputs : p[i].inputs;
        const int out = transposed ? p[i].inputs : p[i].outputs;
        if (arrange(p[i].m, p[i].w, in, out, transposed, batch)) {
            drop_first(p, i);
            return -1;
        }
    }
    return 0;
}

static inline vf at(const float *x)
{
    return *(const vf *)x;
}

static inline vf rounded(vf x, int on)
{
    if (!on)
        return x;
    const vf shifted = x * 127.0f + 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer
    return (shifted - 12582912.0f) * (1.0f / 127.0f);
}

static inline float rounded1(float x, int on)
{
    return on ? (x * 127.0f + 12582912.0f - 12582912.0f) * (1.0f / 127.0f) : x;
}

static inline float clip(float x)
{
    return x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x;
}

// Returns where in the history value j of the repeated period lies.
static inline int place(int period, int j)
{
    int p = HISTORY - AROUND - period + j;
    p -= p >= HISTORY ? period : 0;
    p -= p >= HISTORY ? period : 0;
    return p < 0 ? 0 : p;
}

// Computes x * sigmoid(gate + bias); the sigmoid replaces the sum that the gate's matrix gave.
static void gated(const float *x, float *gate, const float *bias, float *to, int width, int on)
{
    for (int i = 0; i < width; i += LANES) {
        const vf g = vsigmoid(at(gate + i) + at(bias + i));
        *(vf *)(gate + i) = g;
        *(vf *)(to + i) = rounded(at(x + i) * g, on);
    }
}

// Writes the samples that a layer hears: the prediction times its tap, then the last samples.
static void hear(const float *seen, float tap, float *to, int on)
{
    const float *predicted = seen + NOW + AROUND;
    for (int i = 0; i < STEP; i++)
        to[i] = rounded1(tap * predicted[i], on);
    memcpy(to + STEP, seen + NOW + PREDICTED, sizeof(float) * STEP);
}

static void recur(const float *in, const float *rec, const float *in_bias, const float *rec_bias,
                  const float *before, float *keep, float *after, int u)
{
    for (int j = 0; j < u; j += LANES) {
        vf x[3], s[3];
        for (int g = 0; g < 3; g++) {
            x[g] = at(in + g * u + j) + at(in_bias + g * u + j);
            s[g] = at(rec + g * u + j) + at(rec_bias + g * u + j);
        }
        const vf r = vsigmoid(x[0] + s[0]), z = vsigmoid(x[1] + s[1]);
        const vf fresh = vtanh(x[2] + r * s[2]);
        *(vf *)(after + j) = fresh + z * (at(before + j) - fresh);
        *(vf *)(keep + j) = r;
        *(vf *)(keep + u + j) = z;
        *(vf *)(keep + 2 * u + j) = fresh;
        *(vf *)(keep + 3 * u + j) = s[2];
    }
}

// Collects what step t sees of each row's past, and what the step before saw.
static void look(const fargan_sizes *n, int t, const float *gains, const int32_t *period,
                 fargan_values *v)
{
    const size_t length = HISTORY + (size_t)STEP * n->steps;
    for (int b = 0; b < n->batch; b++) {
        const size_t row = (size_t)t * n->batch + b;
        float *seen = v->seen + row * SEEN;
        if (t)
            memcpy(seen, seen - (size_t)n->batch * SEEN + NOW, sizeof(float) * NOW);
        else
            memset(seen, 0, sizeof(float) * NOW);
        const float *history = v->signal + b * length + (size_t)STEP * t;
        const float scale = 1.0f / (gains[row] + LEAST_GAIN);
        for (int j = 0; j < PREDICTED; j++)
            seen[NOW + j] = rounded1(clip(history[place(period[row], j)] * scale), n->rounded);
        for (int j = 0; j < STEP; j++)
            seen[NOW + PREDICTED + j] =
                rounded1(clip(history[HISTORY - STEP + j] * scale), n->rounded);
        memset(seen + 2 * NOW, 0, sizeof(float) * (SEEN - 2 * NOW));
    }
}

static void first_layer(const fargan_sizes *n, const fargan_weights *w, const layers *l, size_t at0,
                        const float *pre, fargan_values *v)
{
    const int f = n->first;
    float *x = v->x + at0 * f, *gate = v->x_gate + at0 * f, *a = v->a + at0 * f;
    multiply(&l->first, v->seen + at0 * SEEN, x, n->batch);
    for (int i = 0; i < n->batch * f; i += LANES)
        *(vf *)(x + i) = rounded(vtanh(at(x + i) + at(pre + at0 * f + i)), n->rounded);
    multiply(&l->first_gate, x, gate, n->batch);
    for (int b = 0; b < n->batch; b++)
        gated(x + b * f, gate + b * f, w->first_gate_bias, a + b * f, f, n->rounded);
    float *taps = v->taps + at0 * TAPS;
    multiply(&l->taps, a, taps, n->batch);
    for (int b = 0; b < n->batch; b++)
        *(vf *)(taps + b * TAPS) = vsigmoid(at(taps + b * TAPS) + at(w->taps_bias));
}

// Runs GRU k of a step. Its input begins with x, rows of `stride`, `width` values each.
static void recurrent_layer(const fargan_sizes *n, const fargan_weights *w, const layers *l, int k,
                            size_t at0, const float *x, int width, int stride, float *scratch,
                            fargan_values *v)
{
    const int u = n->units[k], in_width = width + HEARD, batch = n->batch;
    float *in = v->in[k] + at0 * in_width;
    for (int b = 0; b < batch; b++) {
        memcpy(in + b * in_width, x + (size_t)b * stride, sizeof(float) * width);
        hear(v->seen + (at0 + b) * SEEN, v->taps[(at0 + b) * TAPS + k], in + b * in_width + width,
             n->rounded);
    }
    const float *before = v->h[k] + at0 * u;
    float *after = v->h[k] + (at0 + batch) * u, *heard = v->heard[k] + (at0 + batch) * u;
    float *rec = scratch + (size_t)batch * 3 * u;
    multiply(&l->input[k], in, scratch, batch);
    multiply(&l->recurrent[k], v->heard[k] + at0 * u, rec, batch);
    for (int b = 0; b < batch; b++)
        recur(scratch + b * 3 * u, rec + b * 3 * u, w->input_bias[k], w->recurrent_bias[k],
              before + b * u, v->rzn[k] + (at0 + b) * 4 * u, after + b * u, u);
    for (int i = 0; i < batch * u; i += LANES)
        *(vf *)(heard + i) = rounded(at(after + i), n->rounded);
}

// The skip layer and the samples.
static void speak(const fargan_sizes *n, const fargan_weights *w, const layers *l, size_t at0,
                  fargan_values *v)
{
    const int k = n->skip, width = n->units[0] + n->units[1] + n->units[2] + n->first + HEARD;
    float *s = v->s + at0 * k, *gate = v->s_gate + at0 * k, *z = v->z + at0 * k;
    float *y = v->y + at0 * SHAPE;
    multiply(&l->skip, v->skip_in + at0 * width, s, n->batch);
    for (int b = 0; b < n->batch; b++)
        for (int i = 0; i < k; i += LANES) {
            float *to = s + b * k + i;
            *(vf *)to = rounded(vtanh(at(to) + at(w->skip_bias + i)), n->rounded);
        }
    multiply(&l->skip_gate, s, gate, n->batch);
    for (int b = 0; b < n->batch; b++)
        gated(s + b * k, gate + b * k, w->skip_gate_bias, z + b * k, k, n->rounded);
    multiply(&l->out, z, y, n->batch);
    for (int b = 0; b < n->batch; b++)
        for (int i = 0; i < SHAPE; i += LANES) {
            float *to = y + b * SHAPE + i;
            *(vf *)to = vtanh(at(to) + at(w->out_bias + i));
        }
}

static int widest(const fargan_sizes *n)
{
    int most = n->units[0] + n->units[1] + n->units[2] + n->first + HEARD;
    for (int k = 0; k < 3; k++)
        most = 3 * n->units[k] > most ? 3 * n->units[k] : most;
    return most > SEEN ? most : SEEN;
}

// Speak n->steps steps. pre [steps][batch][first] is what conditioning and noise add to the first
// layer, its bias included; gains and periods are [steps][batch]; known [batch][40 given]. The
// caller has put the past into v->signal and the first states into v->h and v->heard. Returns 0, or
// -1 without memory.
int fargan_forward(const fargan_sizes *n, const fargan_weights *w, const float *pre,
                   const float *gains, const int32_t *period, const float *known, fargan_values *v)
{
    layers l;
    plan plans[LAYERS];
    const int batch = n->batch, *u = n->units;
    const size_t length = HISTORY + (size_t)STEP * n->steps;
    float *scratch = aligned_alloc(64, sizeof(float) * 2 * batch * (size_t)widest(n));
    list(n, w, &l, plans);
    if (!scratch || arrange_all(plans, 0, batch)) {
        free(scratch);
        return -1;
    }
    const int skip_width = u[0] + u[1] + u[2] + n->first + HEARD;
    for (int t = 0; t < n->steps; t++) {
        const size_t at0 = (size_t)t * batch;
        look(n, t, gains, period, v);
        first_layer(n, w, &l, at0, pre, v);
        const float *x = v->a + at0 * n->first;
        int width = n->first, stride = n->first, place0 = 0;
        float *skip_in = v->skip_in + at0 * skip_width;
        for (int k = 0; k < 3; k++) {
            recurrent_layer(n, w, &l, k, at0, x, width, stride, scratch, v);
            float *gate = v->gate[k] + at0 * u[k];
            const float *heard = v->heard[k] + (at0 + batch) * u[k];
            multiply(&l.gate[k], heard, gate, batch);
            for (int b = 0; b < batch; b++)
                gated(heard + b * u[k], gate + b * u[k], w->gate_bias[k],
                      skip_in + (size_t)b * skip_width + place0, u[k], n->rounded);
            x = skip_in + place0;
            width = u[k];
            stride = skip_width;
            place0 += u[k];
        }
        for (int b = 0; b < batch; b++) {
            float *to = skip_in + (size_t)b * skip_width + place0;
            memcpy(to, v->a + (at0 + b) * n->first, sizeof(float) * n->first);
            hear(v->seen + (at0 + b) * SEEN, v->taps[(at0 + b) * TAPS + 3], to + n->first,
                 n->rounded);
        }
        speak(n, w, &l, at0, v);
        for (int b = 0; b < batch; b++) {
            float *to = v->signal + b * length + HISTORY + (size_t)STEP * t;
            const float *y = v->y + (at0 + b) * SHAPE, gain = gains[at0 + b];
            for (int i = 0; i < STEP; i++)
                to[i] = t < n->given ? known[((size_t)b * n->given + t) * STEP + i] : gain * y[i];
        }
    }
    drop_first(plans, LAYERS);
    free(scratch);
    return 0;
}

// From dz of z = x * sigmoid(.), computes the gradient of the gate's sum, and adds the gradient of
// x to dx.
static void ungate(const float *dz, const float *x, const float *gate, float *dgate, float *dx,
                   int width)
{
    for (int i = 0; i < width; i += LANES) {
        const vf g = at(gate + i), d = at(dz + i);
        *(vf *)(dgate + i) = d * at(x + i) * g * (1.0f - g);
        *(vf *)(dx + i) = d * g;
    }
}

static void untanh(const float *dx, const float *more, const float *x, float *to, int width)
{
    for (int i = 0; i < width; i += LANES) {
        const vf v = at(x + i);
        *(vf *)(to + i) = (at(dx + i) + at(more + i)) * (1.0f - v * v);
    }
}

static void unrecur(const float *dh, const float *keep, const float *before, float *din,
                    float *drec, float *carry, int u)
{
    for (int j = 0; j < u; j += LANES) {
        const vf r = at(keep + j), z = at(keep + u + j), fresh = at(keep + 2 * u + j);
        const vf d = at(dh + j);
        const vf dn = d * (1.0f - z) * (1.0f - fresh * fresh);
        const vf dz = d * (at(before + j) - fresh) * z * (1.0f - z);
        const vf dr = dn * at(keep + 3 * u + j) * r * (1.0f - r);
        *(vf *)(din + j) = *(vf *)(drec + j) = dr;
        *(vf *)(din + u + j) = *(vf *)(drec + u + j) = dz;
        *(vf *)(din + 2 * u + j) = dn;
        *(vf *)(drec + 2 * u + j) = dn * r;
        *(vf *)(carry + j) = d * z;
    }
}

// Adds to dseen [84] what a layer's input gradient means for prediction, last samples and tap.
static void unhear(const float *d, const float *seen, float tap, float *dseen, float *dtap)
{
    const float *predicted = seen + NOW + AROUND;
    float sum = 0.0f;
    for (int i = 0; i < STEP; i++) {
        sum += d[i] * predicted[i];
        dseen[AROUND + i] += tap * d[i];
        dseen[PREDICTED + i] += d[STEP + i];
    }
    *dtap = sum * tap * (1.0f - tap);
}

// Scratch of the backward pass, with one row for each row of the batch.
typedef struct {
    float *signal;    // [256 + 40 steps] gradient of the history
    float *carry[3];  // [units] of the states
    float *seen;      // [84] of what this step sees, from its later layers
    float *next;      // [176] of the first layer's inputs of the step after
    float *wide, *one, *two;
    float *block;
} way_back;

static int prepare(const fargan_sizes *n, way_back *s)
{
    const size_t batch = n->batch, length = HISTORY + (size_t)STEP * n->steps;
    const size_t states = (size_t)n->units[0] + n->units[1] + n->units[2];
    const size_t wide = widest(n);
    const size_t count = batch * (length + states + NOW + SEEN + 3 * wide);
    s->block = calloc(count + LANES, sizeof(float));
    if (!s->block)
        return -1;
    float *p = s->block;
    s->signal = p, p += batch * length;
    for (int k = 0; k < 3; k++)
        s->carry[k] = p, p += batch * n->units[k];
    s->seen = p, p += batch * NOW;
    s->next = p, p += batch * SEEN;
    s->wide = p, p += batch * wide;
    s->one = p, p += batch * wide;
    s->two = p;
    return 0;
}

// From the gradient of the samples, computes the gradient of the skip layer's inputs into s->wide.
static void back_from_samples(const fargan_sizes *n, const layers *l, int t, const float *gains,
                              const float *dspoken, const fargan_values *v, fargan_slopes *d,
                              way_back *s)
{
    const size_t at0 = (size_t)t * n->batch, length = HISTORY + (size_t)STEP * n->steps;
    const int k = n->skip, batch = n->batch;
    for (int b = 0; b < batch; b++) {
        const float *y = v->y + (at0 + b) * SHAPE;
        const float *later = s->signal + b * length + HISTORY + (size_t)STEP * t;
        const float *said = dspoken + ((size_t)b * n->steps + t) * STEP;
        float *to = d->out + (at0 + b) * SHAPE, sum = 0.0f;
        for (int i = 0; i < STEP; i++) {
            const float g = said[i] + (t < n->given ? 0.0f : later[i]);
            sum += g * y[i];
            to[i] = g * gains[at0 + b] * (1.0f - y[i] * y[i]);
        }
        memset(to + STEP, 0, sizeof(float) * (SHAPE - STEP));
        d->gains[at0 + b] = sum;
    }
    multiply(&l->out, d->out + at0 * SHAPE, s->one, batch);
    float *gate = d->skip_gate + at0 * k;
    ungate(s->one, v->s + at0 * k, v->s_gate + at0 * k, gate, s->two, batch * k);
    multiply(&l->skip_gate, gate, s->one, batch);
    untanh(s->two, s->one, v->s + at0 * k, d->skip + at0 * k, batch * k);
    multiply(&l->skip, d->skip + at0 * k, s->wide, batch);
}

// From the gradient of GRU k's output, rows of `stride` in dsaid, computes the gradient of its
// inputs. Adds the part that belongs to the layer before to `dx`, which has rows of `stride` too.
static void back_from_gru(const fargan_sizes *n, const layers *l, int k, int t, float *dsaid,
                          float *dx, int width, int stride, const fargan_values *v,
                          fargan_slopes *d, way_back *s)
{
    const size_t at0 = (size_t)t * n->batch;
    const int u = n->units[k], batch = n->batch, in_width = width + HEARD;
    const float *after = v->heard[k] + (at0 + batch) * u;
    float *gate = d->gate[k] + at0 * u;
    for (int b = 0; b < batch; b++)
        ungate(dsaid + (size_t)b * stride, after + b * u, v->gate[k] + (at0 + b) * u, gate + b * u,
               s->one + b * u, u);
    multiply(&l->gate[k], gate, s->two, batch);
    for (int i = 0; i < batch * u; i += LANES)
        *(vf *)(s->one + i) += at(s->two + i) + at(s->carry[k] + i);
    float *din = d->input[k] + at0 * 3 * u, *drec = d->recurrent[k] + at0 * 3 * u;
    for (int b = 0; b < batch; b++)
        unrecur(s->one + b * u, v->rzn[k] + (at0 + b) * 4 * u, v->h[k] + (at0 + b) * u,
                din + b * 3 * u, drec + b * 3 * u, s->carry[k] + b * u, u);
    multiply(&l->recurrent[k], drec, s->two, batch);
    for (int i = 0; i < batch * u; i += LANES)
        *(vf *)(s->carry[k] + i) += at(s->two + i);
    multiply(&l->input[k], din, s->one, batch);
    for (int b = 0; b < batch; b++) {
        const float *from = s->one + (size_t)b * in_width;
        float *to = dx + (size_t)b * stride;
        for (int i = 0; i < width; i += LANES)
            *(vf *)(to + i) += at(from + i);
        unhear(from + width, v->seen + (at0 + b) * SEEN, v->taps[(at0 + b) * TAPS + k],
               s->seen + b * NOW, d->taps + (at0 + b) * TAPS + k);
    }
}

// Takes the gradient of what a step saw, and adds to the gradients of the past and of the gains.
static void back_to_past(const fargan_sizes *n, int t, const float *gains, const int32_t *period,
                         const fargan_values *v, fargan_slopes *d, way_back *s)
{
    const size_t length = HISTORY + (size_t)STEP * n->steps;
    for (int b = 0; b < n->batch; b++) {
        const size_t row = (size_t)t * n->batch + b;
        const float *seen = v->seen + row * SEEN + NOW, *slope = s->seen + b * NOW;
        float *history = s->signal + b * length + (size_t)STEP * t;
        const float scale = 1.0f / (gains[row] + LEAST_GAIN);
        float sum = 0.0f;
        for (int j = 0; j < NOW; j++) {
            if (seen[j] <= -1.0f || seen[j] >= 1.0f)
                continue;
            const int from = j < PREDICTED ? place(period[row], j) : HISTORY - NOW + j;
            sum += slope[j] * seen[j];
            history[from] += slope[j] * scale;
        }
        d->gains[row] -= sum * scale;
    }
}

// From dspoken [batch][40 steps], the gradient of the samples of each step, computes the gradients
// in d. Returns 0, or -1 without memory.
int fargan_backward(const fargan_sizes *n, const fargan_weights *w, const float *gains,
                    const int32_t *period, const float *dspoken, const fargan_values *v,
                    fargan_slopes *d)
{
    layers l;
    plan plans[LAYERS];
    way_back s;
    const int batch = n->batch, f = n->first, *u = n->units;
    if (prepare(n, &s))
        return -1;
    list(n, w, &l, plans);
    if (arrange_all(plans, 1, batch)) {
        free(s.block);
        return -1;
    }
    const int stride = u[0] + u[1] + u[2] + f + HEARD;
    const int a_at = u[0] + u[1] + u[2];
    for (int t = n->steps - 1; t >= 0; t--) {
        const size_t at0 = (size_t)t * batch;
        back_from_samples(n, &l, t, gains, dspoken, v, d, &s);
        for (int b = 0; b < batch; b++) {  // what the step after saw of this one's inputs
            memcpy(s.seen + b * NOW, s.next + b * SEEN, sizeof(float) * NOW);
            memset(d->taps + (at0 + b) * TAPS, 0, sizeof(float) * TAPS);
            unhear(s.wide + (size_t)b * stride + a_at + f, v->seen + (at0 + b) * SEEN,
                   v->taps[(at0 + b) * TAPS + 3], s.seen + b * NOW, d->taps + (at0 + b) * TAPS + 3);
        }
        back_from_gru(n, &l, 2, t, s.wide + u[0] + u[1], s.wide + u[0], u[1], stride, v, d, &s);
        back_from_gru(n, &l, 1, t, s.wide + u[0], s.wide, u[0], stride, v, d, &s);
        back_from_gru(n, &l, 0, t, s.wide, s.wide + a_at, f, stride, v, d, &s);
        multiply(&l.taps, d->taps + at0 * TAPS, s.one, batch);
        for (int b = 0; b < batch; b++)
            for (int i = 0; i < f; i += LANES)
                *(vf *)(s.one + b * f + i) += at(s.wide + (size_t)b * stride + a_at + i);
        ungate(s.one, v->x + at0 * f, v->x_gate + at0 * f, d->first_gate + at0 * f, s.two,
               batch * f);
        multiply(&l.first_gate, d->first_gate + at0 * f, s.one, batch);
        untanh(s.two, s.one, v->x + at0 * f, d->first + at0 * f, batch * f);
        multiply(&l.first, d->first + at0 * f, s.next, batch);
        for (int b = 0; b < batch; b++)
            for (int i = 0; i < NOW; i++)
                s.seen[b * NOW + i] += s.next[b * SEEN + NOW + i];
        back_to_past(n, t, gains, period, v, d, &s);
    }
    drop_first(plans, LAYERS);
    free(s.block);
    return 0;
}
