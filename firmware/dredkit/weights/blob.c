// SPDX-License-Identifier: BSD-3-Clause
// The header of a blob, its checksum and its list of sections.
#include "weights/blob.h"

#include <string.h>

#include "weights/crc32.h"

enum {
    AT_VERSION = 4,
    AT_ISA = 6,
    AT_SIZE = 8,
    AT_SECTIONS = 12,
    AT_TOPOLOGY = 16,
    AT_RESERVED = 80,
    RESERVED = 16,
    ENTRY_KIND = 2,
    ENTRY_OFFSET = 4,
    ENTRY_SIZE = 8,
};

static const uint8_t magic[4] = {'D', 'K', 'W', 'B'};

static uint32_t half_at(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t word_at(const uint8_t *bytes)
{
    return half_at(bytes) | half_at(bytes + 2) << 16;
}

void dk_blob_refuse(dk_blob *blob, dk_status status)
{
    if (blob->status == DK_OK) {
        blob->status = status;
    }
}

// Check the header alone; its bytes are all there.
static dk_status checked_header(const uint8_t *bytes, const uint8_t *topology, size_t size)
{
    static const uint8_t zeros[RESERVED];
    if (memcmp(bytes, magic, sizeof magic) != 0 || half_at(bytes + AT_VERSION) != DK_BLOB_VERSION ||
        memcmp(bytes + AT_RESERVED, zeros, RESERVED) != 0) {
        return DK_ERR_BLOB_FORMAT;
    }
    const uint32_t whole = word_at(bytes + AT_SIZE);
    if (whole > size || whole < DK_BLOB_HEADER_BYTES + DK_BLOB_SUM_BYTES) {
        return DK_ERR_BLOB_SIZE;
    }
    if (half_at(bytes + AT_ISA) != DK_BLOB_ISA) {
        return DK_ERR_BLOB_TARGET;
    }
    if (memcmp(bytes + AT_TOPOLOGY, topology, DK_BLOB_HASH_BYTES) != 0) {
        return DK_ERR_BLOB_TOPOLOGY;
    }
    return DK_OK;
}

void dk_blob_begin(dk_blob *blob, const uint8_t *topology, const uint8_t *bytes, size_t size)
{
    *blob = (dk_blob){0};
    blob->bytes = bytes;
    if (bytes == NULL) {
        blob->status = DK_ERR_ARGUMENT;
    } else if ((uintptr_t)bytes % DK_BLOB_ALIGNMENT != 0) {
        blob->status = DK_ERR_BLOB_ALIGNMENT;
    } else if (size < DK_BLOB_HEADER_BYTES + DK_BLOB_SUM_BYTES) {
        blob->status = DK_ERR_BLOB_SIZE;
    } else {
        blob->status = checked_header(bytes, topology, size);
    }
    if (blob->status != DK_OK) {
        return;
    }
    blob->end = word_at(bytes + AT_SIZE) - DK_BLOB_SUM_BYTES;
    if (dk_crc32(0, bytes, blob->end) != word_at(bytes + blob->end)) {
        blob->status = DK_ERR_BLOB_SUM;
        return;
    }
    const uint32_t sections = word_at(bytes + AT_SECTIONS);
    if (sections > (blob->end - DK_BLOB_HEADER_BYTES) / DK_BLOB_ENTRY_BYTES) {
        blob->status = DK_ERR_BLOB_SECTION;
        return;
    }
    blob->entry = DK_BLOB_HEADER_BYTES;
    blob->tables = DK_BLOB_HEADER_BYTES + sections * DK_BLOB_ENTRY_BYTES;
    blob->used = blob->tables;
}

bool dk_blob_has(const dk_blob *blob, dk_blob_kind kind)
{
    if (blob->status != DK_OK || blob->entry >= blob->tables) {
        return false;
    }
    const uint8_t *entry = blob->bytes + blob->entry;
    return half_at(entry) == blob->owner && half_at(entry + ENTRY_KIND) == (uint32_t)kind;
}

dk_blob_bytes dk_blob_take(dk_blob *blob, dk_blob_kind kind)
{
    const dk_blob_bytes nothing = {NULL, 0};
    if (!dk_blob_has(blob, kind)) {
        dk_blob_refuse(blob, DK_ERR_BLOB_SECTION);
        return nothing;
    }
    const uint8_t *entry = blob->bytes + blob->entry;
    const uint32_t offset = word_at(entry + ENTRY_OFFSET), size = word_at(entry + ENTRY_SIZE);
    if (offset % DK_BLOB_ALIGNMENT != 0 || offset < blob->used || offset > blob->end ||
        size > blob->end - offset) {
        dk_blob_refuse(blob, DK_ERR_BLOB_SECTION);
        return nothing;
    }
    blob->entry += DK_BLOB_ENTRY_BYTES;
    blob->used = offset + size;
    return (dk_blob_bytes){blob->bytes + offset, size};
}

const void *dk_blob_take_sized(dk_blob *blob, dk_blob_kind kind, size_t size)
{
    const dk_blob_bytes section = dk_blob_take(blob, kind);
    if (section.at != NULL && section.size != size) {
        dk_blob_refuse(blob, DK_ERR_BLOB_SECTION);
        return NULL;
    }
    return section.at;
}

void dk_blob_next(dk_blob *blob)
{
    blob->owner++;
}

const void *dk_blob_table(dk_blob *blob, size_t size)
{
    const void *table = dk_blob_take_sized(blob, DK_BLOB_TABLE, size);
    dk_blob_next(blob);
    return table;
}

int32_t dk_blob_end(dk_blob *blob)
{
    if (blob->entry != blob->tables) {
        dk_blob_refuse(blob, DK_ERR_BLOB_SECTION);
    }
    return blob->status;
}
