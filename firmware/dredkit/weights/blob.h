// SPDX-License-Identifier: BSD-3-Clause
// Opens a weights blob (docs/FORMAT.md, section 9): tables of a model that are not linked into the
// image. The tables stay where they are; the structs that kernels take get pointers to them.
//
// Blobs are not trusted. Everything that the kernels rely on is checked, so that any bytes are
// harmless: indices stay inside inputs and buffers, streams have the length that their index says,
// and no accumulator of a matrix leaves int32. Nothing here says that weights are good ones.
//
// The generated dk_model_open calls, in the order of the sections: dk_blob_begin; a function for
// each part of the model; dk_blob_end, which returns the first error of them all.
#ifndef DREDKIT_WEIGHTS_BLOB_H
#define DREDKIT_WEIGHTS_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dk_isa.h"
#include "dred/tables.h"
#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DK_BLOB_VERSION = 1,
    DK_BLOB_ALIGNMENT = 16,  // of a blob's address, and of every section in it
    DK_BLOB_HASH_BYTES = 32,
    DK_BLOB_HEADER_BYTES = 96,
    DK_BLOB_ENTRY_BYTES = 12,
    DK_BLOB_SUM_BYTES = 4,
};

// The kernels that packed tables are for. A test may set another number than the build's own.
#if defined(DK_BLOB_ISA)
#elif defined(DK_ISA_DOTPROD)
#define DK_BLOB_ISA 4
#elif defined(DK_ISA_NEON)
#define DK_BLOB_ISA 3
#elif defined(DK_ISA_MVE)
#define DK_BLOB_ISA 2
#elif defined(DK_ISA_SIMD32)
#define DK_BLOB_ISA 1
#else
#define DK_BLOB_ISA 0
#endif

// What a section holds: a member of a matrix, or a whole table.
typedef enum {
    DK_BLOB_TABLE = 0,
    DK_BLOB_WEIGHTS = 1,
    DK_BLOB_INDEX = 2,
    DK_BLOB_BIAS = 3,
    DK_BLOB_MULTIPLIER = 4,
    DK_BLOB_SHIFT = 5,
} dk_blob_kind;

// A blob being opened. All fields are private.
typedef struct {
    const uint8_t *bytes;
    uint32_t entry;   // where the next section's entry is
    uint32_t tables;  // where the entries end
    uint32_t used;    // where the last section ended
    uint32_t end;     // where the sections end; the checksum follows
    uint16_t owner;   // number of the part whose sections come next
    dk_status status;
} dk_blob;

// A section, or a part of one. `at` is NULL after an error.
typedef struct {
    const uint8_t *at;
    size_t size;
} dk_blob_bytes;

// Check a blob of at most `size` bytes up to its sections, its checksum included. It must be for
// the ISA of this build and for `topology` [DK_BLOB_HASH_BYTES].
void dk_blob_begin(dk_blob *blob, const uint8_t *topology, const uint8_t *bytes, size_t size);

// Return whether the part at hand has a section of this kind next.
bool dk_blob_has(const dk_blob *blob, dk_blob_kind kind);

// Return the next section, which must be of this kind and belong to the part at hand.
dk_blob_bytes dk_blob_take(dk_blob *blob, dk_blob_kind kind);

// Return the next section of this kind, which must have this size, or NULL.
const void *dk_blob_take_sized(dk_blob *blob, dk_blob_kind kind, size_t size);

// Go on to the next part of the model.
void dk_blob_next(dk_blob *blob);

// Return a part that is one table of this size, or NULL, and go on to the next part.
const void *dk_blob_table(dk_blob *blob, size_t size);

// Keep an error, unless there was one before.
void dk_blob_refuse(dk_blob *blob, dk_status status);

// Check that no section is left. Returns 0 or the first error.
int32_t dk_blob_end(dk_blob *blob);

// Return the model's entropy tables, or NULL.
const dk_dred_tables *dk_blob_entropy(dk_blob *blob);

typedef enum {
    DK_BLOB_MATRIX8,
    DK_BLOB_MATRIX16,
    DK_BLOB_GRU,
} dk_blob_type;

// A layer of a network: its shape, and where its tables are in the network's struct.
typedef struct {
    uint16_t at;    // offset of the dk_matrix8, dk_matrix16 or dk_gru, in bytes
    uint16_t rows;  // of a GRU: of both of its matrices
    uint16_t cols;  // of a GRU: of its input matrix
    dk_blob_type type;
} dk_blob_layer;

// Fill a network's struct `weights` from the blob.
void dk_blob_network(dk_blob *blob, const dk_blob_layer *layers, size_t count, void *weights);

// Return whether |x| <= peak makes no accumulator leave int32 and none too large to requantise:
// `sum` is the sum of a row's |weights|.
bool dk_blob_row_is_safe(uint64_t sum, uint32_t peak, int32_t bias, int16_t multiplier,
                         uint8_t shift);

// Return whether a stream with its index is what this ISA's kernels take for a matrix of this
// shape, with sums that cannot overflow. `index.at` is NULL for a dense matrix.
bool dk_blob_packed_is_safe(dk_blob_bytes stream, dk_blob_bytes index, size_t rows, size_t cols);

// Take `size` bytes off the front. Returns NULL if there are fewer.
static inline const uint8_t *dk_blob_cut(dk_blob_bytes *from, size_t size)
{
    const uint8_t *at = from->at;
    if (at == NULL || size > from->size) {
        from->at = NULL;
        return NULL;
    }
    from->at += size;
    from->size -= size;
    return at;
}

// Take an entry of an index: a number, then `each` times as many columns. Columns are in units of 4
// of the `cols` inputs. Sets *count to the number of columns. Returns NULL if the entry is cut, a
// column is outside, or there are more than a kernel's buffers hold.
const uint8_t *dk_blob_columns(dk_blob_bytes *index, size_t each, size_t cols, size_t *count);

// Take an entry of NEON's index, which leads from block to block. Returns the number of blocks, or
// 0 if it is cut or leads outside the `cols` inputs.
size_t dk_blob_walk(dk_blob_bytes *index, size_t cols);

// Take `count` pairs of blocks behind their two offsets each, as dot products read them. Returns
// NULL if they are cut or an offset is outside the `cols` inputs.
const uint8_t *dk_blob_pairs(dk_blob_bytes *stream, size_t count, size_t cols);

#ifdef __cplusplus
}
#endif

#endif
