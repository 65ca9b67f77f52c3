// SPDX-License-Identifier: BSD-3-Clause
// The networks of a blob: plain tables are checked here, packed ones in packed.c.
#include <string.h>

#include "nn/nn.h"
#include "weights/blob.h"

enum {
    BLOCK_ROWS = 8,
    BLOCK_COLS = 4,
    BLOCK = BLOCK_ROWS * BLOCK_COLS,
    PEAK8 = 127,     // largest |x| of an int8 input
    PEAK16 = 32768,  // largest |x| of an int16 input
    LEAST_MULTIPLIER = 1 << 14,
    MOST_SHIFT = 46,
    EASY_SHIFT = 17,  // kernels lift an accumulator up to this shift
    MOST_SPARSE_COLS = 1024,
};

// The tables of a matrix by row.
typedef struct {
    const int32_t *bias;
    const int16_t *multiplier;
    const uint8_t *shift;
} row_tables;

bool dk_blob_row_is_safe(uint64_t sum, uint32_t peak, int32_t bias, int16_t multiplier,
                         uint8_t shift)
{
    if (multiplier < LEAST_MULTIPLIER || shift == 0 || shift > MOST_SHIFT) {
        return false;
    }
    const uint64_t size = bias < 0 ? 0U - (uint64_t)bias : (uint64_t)bias;
    const unsigned lift = shift < EASY_SHIFT ? EASY_SHIFT - shift : 0;
    return (sum * peak + size) << lift <= INT32_MAX;
}

static row_tables take_row_tables(dk_blob *blob, size_t rows)
{
    row_tables found;
    found.bias = (const int32_t *)dk_blob_take_sized(blob, DK_BLOB_BIAS, rows * sizeof(int32_t));
    found.multiplier =
        (const int16_t *)dk_blob_take_sized(blob, DK_BLOB_MULTIPLIER, rows * sizeof(int16_t));
    found.shift = (const uint8_t *)dk_blob_take_sized(blob, DK_BLOB_SHIFT, rows);
    return found;
}

static bool row_is_safe(uint64_t sum, uint32_t peak, const row_tables *tables, size_t row)
{
    return dk_blob_row_is_safe(sum, peak, tables->bias[row], tables->multiplier[row],
                               tables->shift[row]);
}

static uint32_t magnitude8(const int8_t *weights, size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        const int32_t weight = (int32_t)weights[i];
        sum += (uint32_t)(weight < 0 ? -weight : weight);
    }
    return sum;
}

static bool dense_is_safe(const int8_t *weights, size_t rows, size_t cols, const row_tables *tables)
{
    for (size_t row = 0; row < rows; row++) {
        if (!row_is_safe(magnitude8(weights + row * cols, cols), PEAK8, tables, row)) {
            return false;
        }
    }
    return true;
}

static bool sparse_is_safe(dk_blob_bytes weights, dk_blob_bytes index, size_t rows, size_t cols,
                           const row_tables *tables)
{
    if (rows % BLOCK_ROWS != 0 || cols % BLOCK_COLS != 0 || cols > MOST_SPARSE_COLS) {
        return false;
    }
    for (size_t top = 0; top < rows; top += BLOCK_ROWS) {
        size_t count = 0;
        if (dk_blob_columns(&index, 1, cols, &count) == NULL) {
            return false;
        }
        const int8_t *blocks = (const int8_t *)dk_blob_cut(&weights, count * BLOCK);
        for (size_t row = 0; row < BLOCK_ROWS; row++) {
            uint32_t sum = 0;
            for (size_t i = 0; blocks != NULL && i < count; i++) {
                sum += magnitude8(blocks + i * BLOCK + row * BLOCK_COLS, BLOCK_COLS);
            }
            if (blocks == NULL || !row_is_safe(sum, PEAK8, tables, top + row)) {
                return false;
            }
        }
    }
    return weights.size == 0 && index.size == 0;
}

static bool plain_is_safe(dk_blob_bytes weights, dk_blob_bytes index, const dk_matrix8 *matrix)
{
    const row_tables tables = {matrix->bias, matrix->multiplier, matrix->shift};
    const size_t rows = matrix->rows, cols = matrix->cols;
    if (index.at != NULL) {
        return sparse_is_safe(weights, index, rows, cols, &tables);
    }
    return weights.size == rows * cols && dense_is_safe(matrix->weights, rows, cols, &tables);
}

static void open_matrix8(dk_blob *blob, uint16_t rows, uint16_t cols, dk_matrix8 *matrix)
{
    const dk_blob_bytes weights = dk_blob_take(blob, DK_BLOB_WEIGHTS);
    dk_blob_bytes index = {NULL, 0};
    if (dk_blob_has(blob, DK_BLOB_INDEX)) {
        index = dk_blob_take(blob, DK_BLOB_INDEX);
    }
    const bool plain = DK_BLOB_ISA == 0 || dk_blob_has(blob, DK_BLOB_BIAS);
    memset(matrix, 0, sizeof *matrix);
    matrix->weights = (const int8_t *)weights.at;
    matrix->index = index.at;
    matrix->rows = rows;
    matrix->cols = cols;
    if (plain) {
        const row_tables tables = take_row_tables(blob, rows);
        matrix->bias = tables.bias;
        matrix->multiplier = tables.multiplier;
        matrix->shift = tables.shift;
    }
    dk_blob_next(blob);
    if (blob->status == DK_OK && !(plain ? plain_is_safe(weights, index, matrix)
                                         : dk_blob_packed_is_safe(weights, index, rows, cols))) {
        dk_blob_refuse(blob, DK_ERR_BLOB_VALUE);
    }
}

static bool wide_is_safe(const dk_matrix16 *matrix)
{
    const row_tables tables = {matrix->bias, matrix->multiplier, matrix->shift};
    const int16_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row++) {
        uint64_t sum = 0;
        for (size_t col = 0; col < matrix->cols; col++, w++) {
            const int32_t weight = *w;
            sum += (uint32_t)(weight < 0 ? -weight : weight);
        }
        if (!row_is_safe(sum, PEAK16, &tables, row)) {
            return false;
        }
    }
    return true;
}

static void open_matrix16(dk_blob *blob, uint16_t rows, uint16_t cols, dk_matrix16 *matrix)
{
    const size_t size = (size_t)rows * cols * sizeof(int16_t);
    memset(matrix, 0, sizeof *matrix);
    matrix->weights = (const int16_t *)dk_blob_take_sized(blob, DK_BLOB_WEIGHTS, size);
    const row_tables tables = take_row_tables(blob, rows);
    matrix->bias = tables.bias;
    matrix->multiplier = tables.multiplier;
    matrix->shift = tables.shift;
    matrix->rows = rows;
    matrix->cols = cols;
    dk_blob_next(blob);
    if (blob->status == DK_OK && !wide_is_safe(matrix)) {
        dk_blob_refuse(blob, DK_ERR_BLOB_VALUE);
    }
}

void dk_blob_network(dk_blob *blob, const dk_blob_layer *layers, size_t count, void *weights)
{
    for (const dk_blob_layer *layer = layers; layer < layers + count; layer++) {
        void *to = (uint8_t *)weights + layer->at;
        if (layer->type == DK_BLOB_GRU) {
            dk_gru *gru = (dk_gru *)to;
            gru->size = layer->rows / 3;
            open_matrix8(blob, layer->rows, layer->cols, &gru->input);
            open_matrix8(blob, layer->rows, gru->size, &gru->recurrent);
        } else if (layer->type == DK_BLOB_MATRIX16) {
            open_matrix16(blob, layer->rows, layer->cols, (dk_matrix16 *)to);
        } else {
            open_matrix8(blob, layer->rows, layer->cols, (dk_matrix8 *)to);
        }
    }
}
