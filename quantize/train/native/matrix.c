// SPDX-License-Identifier: BSD-3-Clause
// Products on any CPU: panels of 32 columns, 8 rows at a time in registers.

#include "matrix.h"

#include <stdlib.h>
#include <string.h>

#include "vectors.h"

enum { ROWS = 8, PANEL = 32 };

static uint16_t to_bfloat16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

void drop(matrix *m)
{
    if (m->tiles)
        release_tiles();
    free(m->panels);
    free(m->tiles);
    free(m->rounded);
}

int arrange(matrix *m, const float *w, int inputs, int outputs, int transposed, int batch)
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

void multiply(const matrix *m, const float *x, float *out, int batch)
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
