// SPDX-License-Identifier: BSD-3-Clause
// The inner loops of LPCNet training: a GRU over thousands of small sequential steps, the tree of
// sigmoids, and the noisy teacher signal. Float, for the host that trains; the device runs
// integers.
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

// A weight matrix arranged for multiply(), and scratch for its input.
typedef struct {
    float *panels;      // [outputs / 32][inputs][32], the last panel possibly half used
    uint16_t *tiles;    // bfloat16 [outputs / 16][inputs / 32][16][16][2] if the CPU has tiles
    uint16_t *rounded;  // bfloat16 [batch][inputs rounded up to 32]
    int inputs, outputs, depth;
} matrix;

#ifdef __AMX_BF16__
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

// Linux hands out the tile registers on request only.
static int has_tiles(void)
{
    static int known = -1;
    if (known < 0)
        known = getenv("DREDKIT_NO_AMX") == NULL && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
    return known;
}

static void use_tiles(void)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } __attribute__((packed)) shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.bytes[i] = 64;
        shape.rows[i] = 16;
    }
    _tile_loadconfig(&shape);
}

static void release_tiles(void)
{
    _tile_release();
}

// out = x * m for a batch of multiples of 16, rounded to bfloat16 and summed in float.
static void multiply_tiles(const matrix *m, const float *x, float *out, int batch)
{
    for (int b = 0; b < batch; b++)
        for (int i = 0; i < m->inputs; i += LANES)
            _mm256_storeu_si256(
                (__m256i *)(m->rounded + (size_t)b * m->depth + i),
                (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + (size_t)b * m->inputs + i)));
    const int deep = m->depth / 32;
    const size_t row_bytes = (size_t)m->depth * 2, out_bytes = (size_t)m->outputs * 4;
    for (int b = 0; b < batch; b += 16) {
        const uint16_t *rows = m->rounded + (size_t)b * m->depth;
        float *to = out + (size_t)b * m->outputs;
        int o = 0;
        for (; o + 48 <= m->outputs; o += 48) {  // three sums hide the latency of one another
            const uint16_t *w = m->tiles + (size_t)(o / 16) * deep * 512;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            for (int d = 0; d < deep; d++) {
                _tile_loadd(3, rows + 32 * d, row_bytes);
                _tile_loadd(4, w + (size_t)d * 512, 64);
                _tile_dpbf16ps(0, 3, 4);
                _tile_loadd(5, w + (size_t)(deep + d) * 512, 64);
                _tile_dpbf16ps(1, 3, 5);
                _tile_loadd(6, w + (size_t)(2 * deep + d) * 512, 64);
                _tile_dpbf16ps(2, 3, 6);
            }
            _tile_stored(0, to + o, out_bytes);
            _tile_stored(1, to + o + 16, out_bytes);
            _tile_stored(2, to + o + 32, out_bytes);
        }
        for (; o < m->outputs; o += 16) {
            const uint16_t *w = m->tiles + (size_t)(o / 16) * deep * 512;
            _tile_zero(0);
            for (int d = 0; d < deep; d++) {
                _tile_loadd(3, rows + 32 * d, row_bytes);
                _tile_loadd(4, w + (size_t)d * 512, 64);
                _tile_dpbf16ps(0, 3, 4);
            }
            _tile_stored(0, to + o, out_bytes);
        }
    }
}

// Two rows of floats to one row of bfloat16 pairs, lane by lane.
static inline vi pair(vf first, vf second)
{
    const vi one = (vi)first, two = (vi)second;
    const vi low = (one + 0x7FFF + ((one >> 16) & 1)) >> 16 & 0xFFFF;
    return low | ((two + 0x7FFF + ((two >> 16) & 1)) & (int32_t)0xFFFF0000);
}

enum { CHUNK = 2 };  // blocks of 32 rows summed while an output tile is held

// See product(); rows is a multiple of 32.
static int product_tiles(size_t rows, int left_width, int right_width, const float *left,
                         const float *right, float *sum, float *columns)
{
    // left as tiles [block][left_width][16 pairs], right as [block][16 pairs][right_width]
    int32_t *l = aligned_alloc(64, (size_t)CHUNK * left_width * 64);
    int32_t *r = aligned_alloc(64, (size_t)CHUNK * right_width * 64);
    if (!l || !r) {
        free(l);
        free(r);
        return -1;
    }
    use_tiles();
    for (size_t first = 0; first < rows; first += 32 * CHUNK) {
        const int blocks = rows - first < 32 * CHUNK ? (int)(rows - first) / 32 : CHUNK;
        for (int row = 0; row < blocks * 16; row++) {
            const float *a = left + (first + 2 * (size_t)row) * left_width;
            const float *b = right + (first + 2 * (size_t)row) * right_width;
            int32_t *to = l + (size_t)(row / 16) * left_width * 16 + row % 16;
            for (int j = 0; j < left_width; j += LANES) {
                const vf one = *(const vf *)(a + j), two = *(const vf *)(a + left_width + j);
                const vi lanes = pair(one, two);
                *(vf *)(columns + j) += one + two;
                for (int k = 0; k < LANES; k++)
                    to[(size_t)(j + k) * 16] = lanes[k];
            }
            for (int j = 0; j < right_width; j += LANES)
                *(vi *)(r + (size_t)row * right_width + j) =
                    pair(*(const vf *)(b + j), *(const vf *)(b + right_width + j));
        }
        for (int i = 0; i < left_width; i += 16)
            for (int j = 0; j < right_width; j += 16) {
                float *to = sum + (size_t)i * right_width + j;
                _tile_loadd(0, to, (size_t)right_width * 4);
                for (int k = 0; k < blocks; k++) {
                    _tile_loadd(1, l + ((size_t)k * left_width + i) * 16, 64);
                    _tile_loadd(2, r + (size_t)k * 16 * right_width + j, (size_t)right_width * 4);
                    _tile_dpbf16ps(0, 1, 2);
                }
                _tile_stored(0, to, (size_t)right_width * 4);
            }
    }
    release_tiles();
    free(l);
    free(r);
    return 0;
}
#else
static int has_tiles(void)
{
    return 0;
}
static int product_tiles(size_t rows, int left_width, int right_width, const float *left,
                         const float *right, float *sum, float *columns)
{
    (void)rows, (void)left_width, (void)right_width, (void)left, (void)right, (void)sum;
    (void)columns;
    return -1;
}
static void use_tiles(void)
{
}
static void release_tiles(void)
{
}
static void multiply_tiles(const matrix *m, const float *x, float *out, int batch)
{
    (void)m, (void)x, (void)out, (void)batch;
}
#endif

static uint16_t to_bfloat16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

static void drop(matrix *m)
{
    if (m->tiles)
        release_tiles();
    free(m->panels);
    free(m->tiles);
    free(m->rounded);
}

// Arrange weights [outputs][inputs] (or, transposed, [inputs][outputs]). Returns 0, or -1 without
// memory. Tiles want a batch of multiples of 16.
static int arrange(matrix *m, const float *w, int inputs, int outputs, int transposed, int batch)
{
    const int depth = (inputs + 31) / 32 * 32;
    *m = (matrix){.inputs = inputs, .outputs = outputs, .depth = depth};
    const int tiles = has_tiles() && batch % 16 == 0;
    const size_t panels = (size_t)((outputs + PANEL - 1) / PANEL) * inputs * PANEL;
    if (tiles) {
        m->tiles = aligned_alloc(64, (size_t)outputs * depth * 2);
        m->rounded = aligned_alloc(64, (size_t)batch * depth * 2);
    } else {
        m->panels = aligned_alloc(64, sizeof(float) * panels);
    }
    if (tiles ? !m->tiles || !m->rounded : !m->panels) {
        free(m->tiles);
        free(m->rounded);
        return -1;
    }
    if (tiles) {
        memset(m->tiles, 0, (size_t)outputs * depth * 2);
        memset(m->rounded, 0, (size_t)batch * depth * 2);
    } else {
        memset(m->panels, 0, sizeof(float) * panels);
    }
    for (int o = 0; o < outputs; o++)
        for (int i = 0; i < inputs; i++) {
            const float v = transposed ? w[(size_t)i * outputs + o] : w[(size_t)o * inputs + i];
            if (tiles)
                m->tiles[(((size_t)(o / 16) * (depth / 32) + i / 32) * 16 + i % 32 / 2) * 32 +
                         o % 16 * 2 + i % 2] = to_bfloat16(v);
            else
                m->panels[((size_t)(o / PANEL) * inputs + i) * PANEL + o % PANEL] = v;
        }
    if (tiles)
        use_tiles();
    return 0;
}

// out[batch][outputs] = x[batch][inputs] * weights, for a batch of multiples of 8.
static void multiply(const matrix *m, const float *x, float *out, int batch)
{
    if (m->tiles) {
        multiply_tiles(m, x, out, batch);
        return;
    }
    const int inputs = m->inputs, outputs = m->outputs;
    for (int o = 0; o < outputs; o += PANEL) {
        const float *panel = m->panels + (size_t)(o / PANEL) * inputs * PANEL;
        for (int b = 0; b < batch; b += ROWS) {
            vf acc[ROWS][2];
            for (int r = 0; r < ROWS; r++)
                acc[r][0] = acc[r][1] = (vf){0};
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
                if (o + LANES < outputs)
                    *(vf *)(to + LANES) = acc[r][1];
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
                float *h, float *saved)
{
    const int gates = 3 * units;
    matrix recurrent;
    float *rec = aligned_alloc(64, sizeof(float) * (size_t)batch * gates);
    if (!rec || arrange(&recurrent, u, units, gates, 0, batch)) {
        free(rec);
        return -1;
    }
    for (int t = 0; t < steps; t++) {
        const float *before = h + (size_t)t * batch * units;
        multiply(&recurrent, before, rec, batch);
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
                    if (d)
                        in[g] += *(const vf *)(d + o);
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
    drop(&recurrent);
    free(rec);
    return 0;
}

// Backward pass: from dh [steps][batch][units] to the gradient of the recurrent gates
// drec [steps][batch][3 units] (their products with h and 1 give those of U and b), added to dcond
// and dtables, written to ddense. Returns 0, or -1 without memory.
int gru_backward(int steps, int batch, int units, int hop, const float *dh, const uint8_t *index,
                 const float *u, const float *h, const float *saved, float *drec, float *dcond,
                 float *ddense, float *dtables)
{
    const int gates = 3 * units;
    matrix transposed;
    float *carry = aligned_alloc(64, sizeof(float) * (size_t)batch * units);
    float *through = aligned_alloc(64, sizeof(float) * (size_t)batch * units);
    if (!carry || !through || arrange(&transposed, u, gates, units, 1, batch)) {
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
                    if (dd)
                        *(vf *)(dd + o) = din[k];
                    for (int i = 0; index && i < 3; i++)
                        *(vf *)(de[i] + o) += din[k];
                }
            }
        }
        multiply(&transposed, rec, through, batch);
        for (int i = 0; i < batch * units; i += LANES)
            *(vf *)(carry + i) += *(const vf *)(through + i);
    }
    drop(&transposed);
    free(carry);
    free(through);
    return 0;
}

// Adds left' * right over rows, [left_width][right_width], and the column sums of left. Returns 0,
// or -1 where this machine has no faster way than a library's matrix product (nothing is added
// then).
int product(size_t rows, int left_width, int right_width, const float *left, const float *right,
            float *sum, float *columns)
{
    if (!has_tiles() || rows % 32)
        return -1;
    return product_tiles(rows, left_width, right_width, left, right, sum, columns);
}

// Loss of the sigmoid tree: 8 binary decisions from the root (node 1), child 2n + bit, for codes
// target [count]. A node's logit is a0*tanh(w0.x + b0) + a1*tanh(w1.x + b1); w is [256][2][units],
// b and a [256][2]. Returns the mean loss in nats and adds the gradients of that mean.
double tree_loss(int count, int units, const float *x, const uint8_t *target, const float *w,
                 const float *b, const float *a, float *dx, float *dw, float *db, float *da)
{
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
                for (int j = 0; j < LANES; j++)
                    dot += sum[j];
                tanhs[2 * d + k] = dot;
            }
            node = 2 * node + ((target[t] >> (TREE_DEPTH - 1 - d)) & 1);
        }
        *(vf *)tanhs = vtanh(*(const vf *)tanhs);
        for (int j = 0; j < units; j++)
            din[j] = 0;
        for (int d = 0; d < TREE_DEPTH; d++) {
            const int n = path[d], bit = (target[t] >> (TREE_DEPTH - 1 - d)) & 1;
            const float logit = a[2 * n] * tanhs[2 * d] + a[2 * n + 1] * tanhs[2 * d + 1];
            const float small = expf(-fabsf(logit));  // never overflows
            total += log1pf(small) + ((logit > 0) == bit ? 0 : fabsf(logit));
            const float chance = (logit > 0 ? 1.0f : small) / (1.0f + small);
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

static int to_mulaw(float x)
{
    const float code = 128.0f * log1pf(fabsf(x) * (255.0f / 32768.0f)) / 5.54517744f;
    const float rounded = floorf(0.5f + 128.0f + (x < 0 ? -code : code));
    return rounded < 0 ? 0 : rounded > 255 ? 255 : (int)rounded;
}

static float from_mulaw(int code)
{
    const float u = (float)(code - 128) / 128.0f;
    const float size = (expf(fabsf(u) * 5.54517744f) - 1.0f) * (32768.0f / 255.0f);
    return u < 0 ? -size : size;
}

// What the network hears while it learns: past samples with quantisation noise, so that it learns
// to recover. signal [batch][16 + steps] (int16 scale, pre-emphasised), lpc [batch][steps/hop][16],
// noise [batch][steps] in mu-law steps. Writes index [steps][batch][3] (last sample, prediction,
// last excitation) and the excitation codes that are to be predicted, target [steps][batch].
void teacher(int steps, int batch, int hop, const float *signal, const float *lpc,
             const int8_t *noise, uint8_t *index, uint8_t *target)
{
    for (int b = 0; b < batch; b++) {
        const float *x = signal + (size_t)b * (steps + ORDER);
        float past[ORDER];
        for (int k = 0; k < ORDER; k++)
            past[k] = x[ORDER - 1 - k];
        int excitation = 128;
        for (int t = 0; t < steps; t++) {
            const float *a = lpc + ((size_t)b * (steps / hop) + t / hop) * ORDER;
            float prediction = 0;
            for (int k = 0; k < ORDER; k++)
                prediction -= a[k] * past[k];
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
