// SPDX-License-Identifier: BSD-3-Clause
// A GRU over thousands of small sequential steps, forward and backward. Arrays are row-major; units
// are multiples of 16, sequences (batch) of 8: the caller checks.

#include <stdlib.h>
#include <string.h>

#include "matrix.h"
#include "vectors.h"

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
// drec [steps][batch][3 units], whose products with h and 1 give the gradients of U and b. Adds to
// dcond and dtables, writes ddense. Returns 0, or -1 without memory.
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
