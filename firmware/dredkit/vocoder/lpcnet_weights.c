// SPDX-License-Identifier: BSD-3-Clause
// Checks LPCNet's tables in a weights blob. lpcnet_cells.h describes the layout of each ISA.
#include "vocoder/lpcnet_weights.h"

#if defined(DK_LPCNET_BLOB)

#include <string.h>

enum {
    ROWS = 8,
    COLS = 4,
    PEAK = 128,  // largest |x| of a state, and of a weight
    // What a sum has at most from the frame-rate network's gates, from three codes, and from two
    // matrices with up to 510 blocks in 8 rows.
    GATES = 32768 << DK_LPCNET_GATES_SHIFT,
    CODES = DK_LPCNET_HEARD * PEAK * 32768,
    PRODUCTS = 2 * 510 * COLS * PEAK * PEAK,
    MOST_BIAS = INT32_MAX - GATES - CODES - PRODUCTS,
};

static bool is_within(const int32_t *values, size_t count, int32_t peak)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] > peak || values[i] < -peak) {
            return false;
        }
    }
    return true;
}

// A scale of -32768 could make two of them leave int32.
static bool is_scale(const int16_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] < -INT16_MAX) {
            return false;
        }
    }
    return true;
}

#if DK_BLOB_ISA == 1

enum {
    HALF = 4,  // rows at a time
    BLOCK = HALF * COLS * (int)sizeof(int16_t),
    FIRST = 0x8000,                       // in the high half: four rows begin
    ODD = 0x4000,                         // with a single block
    AHEAD = COLS * (int)sizeof(int16_t),  // what an offset is larger
};

static bool is_offset(uint32_t offset, size_t cols)
{
    return offset % AHEAD == 0 && offset >= AHEAD && offset <= cols * sizeof(int16_t);
}

static bool are_narrow(const uint8_t *block)
{
    for (size_t i = 0; i < BLOCK; i += sizeof(int16_t)) {
        int16_t weight;
        memcpy(&weight, block + i, sizeof weight);
        if (weight < INT8_MIN || weight > INT8_MAX) {
            return false;
        }
    }
    return true;
}

static bool cut_block(dk_blob_bytes *stream, uint32_t offset, size_t cols)
{
    const uint8_t *block = dk_blob_cut(stream, BLOCK);
    return block != NULL && is_offset(offset, cols) && are_narrow(block);
}

static uint32_t next_word(dk_blob_bytes *stream)
{
    const uint8_t *at = dk_blob_cut(stream, sizeof(uint32_t));
    uint32_t word = 0;
    if (at != NULL) {
        memcpy(&word, at, sizeof word);
    }
    return word;
}

// Check the blocks of four rows, whose first word is *word. Then *word is the next rows' first.
static bool four_are_safe(dk_blob_bytes *stream, uint32_t *word, size_t cols)
{
    uint32_t high = *word >> 16 & ~(uint32_t)FIRST;
    const bool odd = (high & ODD) != 0;
    size_t blocks = 0;
    if (*word >> 31 == 0 || *word << 1 == 0) {
        return false;
    }
    high &= ~(uint32_t)ODD;
    if (odd) {
        blocks = 1;
    } else {
        if (!cut_block(stream, *word & 0xFFFF, cols)) {
            return false;
        }
        blocks = 2;
    }
    if (!cut_block(stream, high, cols)) {
        return false;
    }
    for (*word = next_word(stream); *word >> 31 == 0; *word = next_word(stream)) {
        blocks += 2;
        if (blocks > cols / COLS || !cut_block(stream, *word & 0xFFFF, cols) ||
            !cut_block(stream, *word >> 16, cols)) {
            return false;
        }
    }
    return true;
}

static bool matrix_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols)
{
    (void)index;
    uint32_t word = next_word(&stream);
    for (size_t row = 0; row < rows; row += HALF) {
        if (!four_are_safe(&stream, &word, cols)) {
            return false;
        }
    }
    return word == (uint32_t)FIRST << 16 && stream.at != NULL && stream.size == 0;
}

#elif DK_BLOB_ISA == 3

static bool matrix_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row += ROWS) {
        const size_t count = dk_blob_walk(&index, cols);
        if (count == 0 || dk_blob_cut(&stream, count * ROWS * COLS) == NULL) {
            return false;
        }
    }
    return stream.size == 0 && index.size == 0;
}

#elif DK_BLOB_ISA == 4

static bool matrix_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row += ROWS) {
        const uint8_t *pairs = dk_blob_cut(&index, 1);
        if (pairs == NULL || dk_blob_pairs(&stream, *pairs, cols) == NULL) {
            return false;
        }
    }
    return stream.size == 0 && index.size == 0;
}

#else

enum { EACH = DK_BLOB_ISA == 2 ? 4 : 1 };  // blocks that the index counts as one

static bool matrix_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row += ROWS) {
        size_t count = 0;
        if (dk_blob_columns(&index, EACH, cols, &count) == NULL ||
            dk_blob_cut(&stream, count * ROWS * COLS) == NULL) {
            return false;
        }
    }
    return stream.size == 0 && index.size == 0;
}

#endif

static void open_matrix(dk_blob *blob, uint16_t rows, uint16_t cols, dk_lpcnet_matrix *matrix)
{
    const dk_blob_bytes weights = dk_blob_take(blob, DK_BLOB_WEIGHTS);
    dk_blob_bytes index = {NULL, 0};
    if (DK_BLOB_ISA != 1) {
        index = dk_blob_take(blob, DK_BLOB_INDEX);
    }
    dk_blob_next(blob);
    matrix->weights = (const dk_lpcnet_number *)(const void *)weights.at;
    matrix->index = index.at;
    matrix->rows = rows;
    if (blob->status == DK_OK && !matrix_is_safe(weights, index, rows, cols)) {
        dk_blob_refuse(blob, DK_ERR_BLOB_VALUE);
    }
}

// Return whether no state makes a sum of the tree leave int32.
static bool tree_is_safe(const dk_lpcnet_cells *cells)
{
    for (size_t node = 0; node < DK_LPCNET_CODES; node++) {
        for (size_t half = 0; half < 2; half++) {
            const int32_t bias = cells->tree_bias[node][half];
            uint64_t bound = bias < 0 ? 0U - (uint64_t)bias : (uint64_t)bias;
            for (size_t i = 0; i < DK_LPCNET_B; i++) {
                const int32_t weight = cells->tree_weights[node][half][i];
                bound += (uint64_t)(weight < 0 ? -weight : weight) * 32768;
            }
            if (bound > INT32_MAX) {
                return false;
            }
        }
    }
    return true;
}

static bool tables_are_safe(const dk_lpcnet_cells *cells)
{
    return is_within(cells->a_bias, DK_LPCNET_A, MOST_BIAS) &&
           is_within(cells->b_bias, DK_LPCNET_B, MOST_BIAS) &&
           is_scale(cells->table_scale, (size_t)3 * DK_LPCNET_A) &&
           is_scale(cells->tree_scale[0], (size_t)2 * DK_LPCNET_CODES) && tree_is_safe(cells);
}

void dk_blob_lpcnet(dk_blob *blob, dk_lpcnet_cells *cells)
{
    open_matrix(blob, 2 * DK_LPCNET_A, DK_LPCNET_A, &cells->a_gates);
    open_matrix(blob, DK_LPCNET_A, DK_LPCNET_A, &cells->a_candidate);
    open_matrix(blob, 3 * DK_LPCNET_B, DK_LPCNET_A, &cells->b_input);
    open_matrix(blob, 2 * DK_LPCNET_B, DK_LPCNET_B, &cells->b_gates);
    open_matrix(blob, DK_LPCNET_B, DK_LPCNET_B, &cells->b_candidate);
    cells->a_bias = (const int32_t *)dk_blob_table(blob, DK_LPCNET_A * sizeof(int32_t));
    cells->b_bias = (const int32_t *)dk_blob_table(blob, DK_LPCNET_B * sizeof(int32_t));
    cells->pitch = (const int16_t(*)[DK_LPCNET_EMBEDDING])dk_blob_table(
        blob, DK_LPCNET_PERIODS * sizeof *cells->pitch);
    cells->tables = (const int8_t(*)[DK_LPCNET_CODES][3 * DK_LPCNET_A])
        dk_blob_table(blob, DK_LPCNET_HEARD * sizeof *cells->tables);
    cells->table_scale =
        (const int16_t *)dk_blob_table(blob, (size_t)3 * DK_LPCNET_A * sizeof(int16_t));
    cells->tree_weights = (const int16_t(*)[2][DK_LPCNET_B])dk_blob_table(
        blob, DK_LPCNET_CODES * sizeof *cells->tree_weights);
    cells->tree_bias =
        (const int32_t(*)[2])dk_blob_table(blob, DK_LPCNET_CODES * sizeof *cells->tree_bias);
    cells->tree_scale =
        (const int16_t(*)[2])dk_blob_table(blob, DK_LPCNET_CODES * sizeof *cells->tree_scale);
    if (blob->status == DK_OK && !tables_are_safe(cells)) {
        dk_blob_refuse(blob, DK_ERR_BLOB_VALUE);
    }
}

#endif
