// SPDX-License-Identifier: BSD-3-Clause
// The three forms in which sparse matrices say which inputs their blocks take.
#include <string.h>

#include "weights/blob.h"

enum { BLOCK_ROWS = 8, BLOCK_COLS = 4, PAIR = 2 * 4 + 2 * BLOCK_ROWS * BLOCK_COLS };

const uint8_t *dk_blob_columns(dk_blob_bytes *index, size_t each, size_t cols, size_t *count)
{
    const uint8_t *number = dk_blob_cut(index, 1);
    const size_t columns = number == NULL ? 0 : *number * each;
    const uint8_t *first = dk_blob_cut(index, columns);
    // A kernel's buffers have room for every column once.
    if (first == NULL || columns > (cols / BLOCK_COLS + each - 1) / each * each) {
        return NULL;
    }
    for (size_t i = 0; i < columns; i++) {
        if (first[i] >= cols / BLOCK_COLS) {
            return NULL;
        }
    }
    *count = columns;
    return first;
}

size_t dk_blob_walk(dk_blob_bytes *index, size_t cols)
{
    const uint8_t *head = dk_blob_cut(index, 2);
    if (head == NULL) {
        return 0;
    }
    const size_t count = (size_t)2 * head[0];
    const uint8_t *steps = dk_blob_cut(index, count);
    size_t at = (size_t)BLOCK_COLS * head[1];
    for (size_t i = 0; steps != NULL && i < count; i++) {
        if (at + BLOCK_COLS > cols) {
            return 0;
        }
        at += steps[i];
    }
    return steps == NULL ? 0 : count;
}

const uint8_t *dk_blob_pairs(dk_blob_bytes *stream, size_t count, size_t cols)
{
    const uint8_t *pairs = dk_blob_cut(stream, count * PAIR);
    for (size_t i = 0; pairs != NULL && i < count; i++) {
        uint32_t offsets[2];
        memcpy(offsets, pairs + i * PAIR, sizeof offsets);
        for (size_t which = 0; which < 2; which++) {
            if (offsets[which] % BLOCK_COLS != 0 || offsets[which] >= cols) {
                return NULL;
            }
        }
    }
    return pairs;
}
