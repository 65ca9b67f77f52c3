// SPDX-License-Identifier: BSD-3-Clause
// Products with a matrix that stays the same over thousands of steps.
#ifndef DREDKIT_TRAIN_MATRIX_H
#define DREDKIT_TRAIN_MATRIX_H

#include <stddef.h>
#include <stdint.h>

// A weight matrix arranged for multiply(), and scratch for its input.
typedef struct {
    float *panels;      // [outputs / 32][inputs][32], the last panel possibly half used
    uint16_t *tiles;    // bfloat16 [outputs / 16][inputs / 32][16][16][2] if the CPU has tiles
    uint16_t *rounded;  // bfloat16 [batch][inputs rounded up to 32]
    int inputs, outputs, depth;
} matrix;

// Arrange weights [outputs][inputs] (or, transposed, [inputs][outputs]); all sizes are multiples of
// 16. Returns 0, or -1 without memory. Until drop(), the tile registers of the CPU are in use if
// the batch is a multiple of 16.
int arrange(matrix *m, const float *w, int inputs, int outputs, int transposed, int batch);
void drop(matrix *m);

// out[batch][outputs] = x[batch][inputs] * weights, for a batch of multiples of 8.
void multiply(const matrix *m, const float *x, float *out, int batch);

// The matrix tiles of newer x86 CPUs: factors rounded to bfloat16, sums in float.
int has_tiles(void);
void use_tiles(void);
void release_tiles(void);
void multiply_tiles(const matrix *m, const float *x, float *out, int batch);

#endif
