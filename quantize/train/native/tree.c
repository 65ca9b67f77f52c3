// SPDX-License-Identifier: BSD-3-Clause
// The tree of sigmoids that gives an 8-bit code bit by bit.

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "vectors.h"

enum { TREE_DEPTH = 8 };

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
