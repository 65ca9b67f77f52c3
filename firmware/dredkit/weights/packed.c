// SPDX-License-Identifier: BSD-3-Clause
// Packed streams of int8 matrices: firmware/dredkit/nn/<isa>/matvec8.c describes each layout. Only
// the layout of the build's own ISA is compiled.
#include <string.h>

#include "weights/blob.h"

enum {
    WORD = 4,
    BLOCK_COLS = 4,
    PEAK = 127,  // largest |x|
};

#if DK_BLOB_ISA != 0

static int32_t word_at(const uint8_t *bytes)
{
    int32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static size_t times(size_t count, size_t each)
{
    return (count + each - 1) / each;
}

// Return whether a kernel's sum of products times 2^frac, plus `bias`, stays within int32.
static bool fits(uint32_t magnitude, unsigned frac, int64_t bias)
{
    const int64_t sum = (int64_t)magnitude * PEAK << frac;
    return bias + sum <= INT32_MAX && bias - sum >= INT32_MIN;
}

#endif

#if DK_BLOB_ISA > 1

enum { ROWS = 8, SUM_FRAC = 4 };

// Return the sum of a row's |weights| in `count` tiles, each of `width` bytes a row for 8 rows.
static uint32_t row_magnitude(const uint8_t *tiles, size_t count, size_t width, size_t row)
{
    uint32_t sum = 0;
    for (size_t tile = 0; tile < count; tile++) {
        const uint8_t *w = tiles + (tile * ROWS + row) * width;
        for (size_t i = 0; i < width; i++) {
            const int32_t value = (int32_t)(int8_t)w[i];
            sum += (uint32_t)(value < 0 ? -value : value);
        }
    }
    return sum;
}

#endif

#if DK_BLOB_ISA == 1

enum { FOUR = 4, SPARSE_ROWS = 8, MOST_COLS = 1024, SUM_FRAC = 8 };

static uint32_t pair_magnitude(int32_t pair)
{
    const int32_t low = (int32_t)(int8_t)(uint8_t)((uint32_t)pair & 0xFF);
    const int32_t high = (pair - low) / 256;
    return (uint32_t)(low < 0 ? -low : low) + (uint32_t)(high < 0 ? -high : high);
}

// Four rows: biases times 2^8, `tiles` words of each row in turn, factors.
static bool four_are_safe(dk_blob_bytes *stream, size_t tiles)
{
    const uint8_t *bias = dk_blob_cut(stream, FOUR * WORD);
    const uint8_t *words = dk_blob_cut(stream, tiles * FOUR * WORD);
    const uint8_t *factor = dk_blob_cut(stream, FOUR * WORD);
    if (factor == NULL) {
        return false;
    }
    for (size_t row = 0; row < FOUR; row++) {
        uint32_t sum = 0;
        for (size_t tile = 0; tile < tiles; tile++) {
            const uint32_t word = (uint32_t)word_at(words + (tile * FOUR + row) * WORD);
            sum += pair_magnitude((int16_t)(word & 0xFFFF)) + pair_magnitude((int16_t)(word >> 16));
        }
        if (!fits(sum, SUM_FRAC, word_at(bias + row * WORD)) || word_at(factor + row * WORD) < 0) {
            return false;
        }
    }
    return true;
}

bool dk_blob_packed_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols)
{
    const bool sparse = index.at != NULL;
    if (cols > MOST_COLS || (sparse && (rows % SPARSE_ROWS != 0 || cols % BLOCK_COLS != 0))) {
        return false;
    }
    size_t tiles = times(cols, BLOCK_COLS);
    for (size_t row = 0; row < rows; row += FOUR) {
        if (sparse && row % SPARSE_ROWS == 0 && dk_blob_columns(&index, 1, cols, &tiles) == NULL) {
            return false;
        }
        if (!four_are_safe(&stream, tiles)) {
            return false;
        }
    }
    return stream.size == 0 && index.size == 0;
}

#elif DK_BLOB_ISA == 2

enum { LANES = 16, HALF = 16, MOST_COLS = 1024 };

// Eight rows: `chunks` of 16 columns of each row; then biases and factors, even rows first.
static bool eight_are_safe(dk_blob_bytes *stream, size_t chunks)
{
    const uint8_t *tiles = dk_blob_cut(stream, chunks * ROWS * LANES);
    const uint8_t *tables = dk_blob_cut(stream, (size_t)4 * HALF);
    if (tables == NULL) {
        return false;
    }
    for (size_t row = 0; row < ROWS; row++) {
        const uint8_t *bias = tables + row % 2 * 2 * HALF + row / 2 * WORD;
        const uint32_t sum = row_magnitude(tiles, chunks, LANES, row);
        if (!fits(sum, SUM_FRAC, (int64_t)word_at(bias) * (1 << SUM_FRAC)) ||
            word_at(bias + HALF) < 0) {
            return false;
        }
    }
    return true;
}

bool dk_blob_packed_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols)
{
    const bool sparse = index.at != NULL;
    if (cols > MOST_COLS || (sparse && (rows % ROWS != 0 || cols % BLOCK_COLS != 0))) {
        return false;
    }
    size_t columns = cols;
    for (size_t row = 0; row < rows; row += ROWS) {
        if (sparse) {
            if (dk_blob_columns(&index, LANES / BLOCK_COLS, cols, &columns) == NULL) {
                return false;
            }
            columns *= BLOCK_COLS;
        }
        if (!eight_are_safe(&stream, times(columns, LANES))) {
            return false;
        }
    }
    return stream.size == 0 && index.size == 0;
}

#elif DK_BLOB_ISA == 3

enum { COLS = 16 };

// Eight rows: `count` tiles of `width` columns of each row, then biases times 2^4, and factors.
static bool eight_are_safe(dk_blob_bytes *stream, size_t count, size_t width)
{
    const uint8_t *tiles = dk_blob_cut(stream, count * ROWS * width);
    const uint8_t *bias = dk_blob_cut(stream, (size_t)ROWS * WORD);
    const uint8_t *factor = dk_blob_cut(stream, (size_t)ROWS * WORD);
    if (factor == NULL) {
        return false;
    }
    for (size_t row = 0; row < ROWS; row++) {
        const uint32_t sum = row_magnitude(tiles, count, width, row);
        if (!fits(sum, SUM_FRAC, word_at(bias + row * WORD)) || word_at(factor + row * WORD) < 0) {
            return false;
        }
    }
    return true;
}

bool dk_blob_packed_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols)
{
    const bool sparse = index.at != NULL;
    if (sparse && (rows % ROWS != 0 || cols % BLOCK_COLS != 0)) {
        return false;
    }
    for (size_t row = 0; row < rows; row += ROWS) {
        const size_t count = sparse ? dk_blob_walk(&index, cols) : times(cols, COLS);
        if (count == 0 || !eight_are_safe(&stream, count, sparse ? BLOCK_COLS : COLS)) {
            return false;
        }
    }
    return stream.size == 0 && index.size == 0;
}

#elif DK_BLOB_ISA == 4

enum { BLOCK = ROWS * BLOCK_COLS, PAIR = 2 * WORD + 2 * BLOCK };

// Return the |weights| of a row in pairs of blocks behind their two offsets.
static uint32_t pairs_magnitude(const uint8_t *pairs, size_t count, size_t row)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += row_magnitude(pairs + i * PAIR + (size_t)2 * WORD, 2, BLOCK_COLS, row);
    }
    return sum;
}

// Eight rows: biases, `count` blocks or pairs of blocks, factors.
static bool eight_are_safe(dk_blob_bytes *stream, size_t count, bool sparse, size_t cols)
{
    const uint8_t *bias = dk_blob_cut(stream, (size_t)ROWS * WORD);
    const uint8_t *tiles =
        sparse ? dk_blob_pairs(stream, count, cols) : dk_blob_cut(stream, count * BLOCK);
    const uint8_t *factor = dk_blob_cut(stream, (size_t)ROWS * WORD);
    if (tiles == NULL || factor == NULL) {
        return false;
    }
    for (size_t row = 0; row < ROWS; row++) {
        const uint32_t sum = sparse ? pairs_magnitude(tiles, count, row)
                                    : row_magnitude(tiles, count, BLOCK_COLS, row);
        const int64_t scaled = (int64_t)word_at(bias + row * WORD) * (1 << SUM_FRAC);
        if (!fits(sum, SUM_FRAC, scaled) || word_at(factor + row * WORD) < 0) {
            return false;
        }
    }
    return true;
}

bool dk_blob_packed_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols)
{
    const bool sparse = index.at != NULL;
    if (sparse && (rows % ROWS != 0 || cols % BLOCK_COLS != 0)) {
        return false;
    }
    for (size_t row = 0; row < rows; row += ROWS) {
        const uint8_t *pairs = sparse ? dk_blob_cut(&index, 1) : NULL;
        if (sparse && pairs == NULL) {
            return false;
        }
        const size_t count = sparse ? *pairs : times(cols, BLOCK_COLS);
        if (!eight_are_safe(&stream, count, sparse, cols)) {
            return false;
        }
    }
    return stream.size == 0 && index.size == 0;
}

#else

// Portable C has no packed tables.
bool dk_blob_packed_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols)
{
    (void)stream;
    (void)index;
    (void)rows;
    (void)cols;
    return false;
}

#endif
