// SPDX-License-Identifier: BSD-3-Clause
// The matrix tiles of newer x86 CPUs (AMX), and what stands in for them elsewhere.

#include <stdlib.h>

#include "matrix.h"
#include "vectors.h"

#ifdef __AMX_BF16__
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

// Linux gives a process the tile registers only on request.
int has_tiles(void)
{
    static int known = -1;
    if (known < 0)
        known = getenv("DREDKIT_NO_AMX") == NULL && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
    return known;
}

// A library may keep its own shapes in the tile registers and not check that they are still there.
static _Thread_local int users;
static _Thread_local uint8_t theirs[64];

void use_tiles(void)
{
    if (users++ == 0)
        _tile_storeconfig(theirs);
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } __attribute__((packed)) shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.bytes[i] = 64;
        shape.rows[i] = 16;
    }
    __asm__ volatile("" : : "r"(&shape) : "memory");  // gcc 12 forgets that all of it is read
    _tile_loadconfig(&shape);
}

void release_tiles(void)
{
    if (--users == 0)
        _tile_loadconfig(theirs);
}

// out = x * m for a batch of multiples of 16, rounded to bfloat16 and summed in float.
void multiply_tiles(const matrix *m, const float *x, float *out, int batch)
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
int has_tiles(void)
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
void use_tiles(void)
{
}
void release_tiles(void)
{
}
void multiply_tiles(const matrix *m, const float *x, float *out, int batch)
{
    (void)m, (void)x, (void)out, (void)batch;
}
#endif

// Adds left' * right over rows, [left_width][right_width], and the column sums of left. Returns 0,
// or -1, with nothing added, where this machine has no faster way than a library's matrix product.
int product(size_t rows, int left_width, int right_width, const float *left, const float *right,
            float *sum, float *columns)
{
    if (!has_tiles() || rows % 32)
        return -1;
    return product_tiles(rows, left_width, right_width, left, right, sum, columns);
}
