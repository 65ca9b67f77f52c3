// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer target for the payload parser: any bytes. The first byte of an input says how many
// chunks the receiver wants. The parsed values must be in range, and parsing must not depend on
// bytes after the payload. A payload that parses must survive being written again: the symbols,
// scaled to values on a grid, are quantised to themselves.
#include <stdlib.h>
#include <string.h>

#include "dred/levels.h"
#include "dred/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// tests/fuzz/run.py writes these tables: P(0) and decay come from a real model if there is one. All
// scales are 128 and there is no dead zone, so the value 2 v has the symbol v.

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void values_of(const int16_t *symbols, unsigned count, int32_t *values)
{
    for (unsigned i = 0; i < count; i++) {
        values[i] = (int32_t)symbols[i] * 65536 * 2;
    }
}

// Symbols up to 2^14 - 1 fit int32 Q16 when doubled.
static bool is_moderate(const int16_t *symbols, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (symbols[i] > 16383 || symbols[i] < -16383) {
            return false;
        }
    }
    return true;
}

static void write_again(const dk_dred_payload *read)
{
    uint8_t again[DK_DRED_MAX_BYTES];
    dk_dred_writer writer;
    int32_t values[DK_DRED_STATES];
    require(dk_dred_writer_init(&writer, &dk_model_tables, &read->header, again, sizeof again) ==
            0);
    if (!is_moderate(read->state, DK_DRED_STATES)) {
        return;
    }
    values_of(read->state, DK_DRED_STATES, values);
    if (!dk_dred_writer_state(&writer, values)) {
        return;
    }
    dk_dred_writer_keep(&writer);
    unsigned kept = 0;
    for (; kept < read->chunk_count; kept++) {
        values_of(read->chunks[kept], DK_DRED_LATENTS, values);
        if (!is_moderate(read->chunks[kept], DK_DRED_LATENTS) ||
            !dk_dred_writer_chunk(&writer, values)) {
            break;
        }
        dk_dred_writer_keep(&writer);
    }
    const size_t size = dk_dred_writer_finish(&writer);
    require(size > 0 && size <= sizeof again);
    dk_dred_payload second;
    const int32_t count = dk_dred_parse(&dk_model_tables, again, size, DK_DRED_MAX_CHUNKS, &second);
    require(count >= 0 && (unsigned)count <= kept);  // the last chunks can take under 8 bits
    require(second.header.q0 == read->header.q0 && second.header.dq == read->header.dq);
    require(second.header.qmax == read->header.qmax);
    require(second.header.offset == read->header.offset);
    require(memcmp(second.state, read->state, sizeof second.state) == 0);
    require(memcmp(second.chunks, read->chunks, (size_t)count * sizeof second.chunks[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const unsigned max_chunks = data[0] % (DK_DRED_MAX_CHUNKS + 2u);
    dk_dred_payload read;
    memset(&read, 0, sizeof read);
    const int32_t count = dk_dred_parse(&dk_model_tables, data + 1, size - 1, max_chunks, &read);
    if (count < 0) {
        const bool asks_too_much = max_chunks > DK_DRED_MAX_CHUNKS;
        require((count == DK_ERR_ARGUMENT) == asks_too_much);
        require(asks_too_much || (count >= DK_ERR_SYMBOL && count <= DK_ERR_LENGTH));
        return 0;
    }
    require((unsigned)count <= max_chunks && read.chunk_count == count);
    require(dk_dred_header_is_sound(&read.header));
    write_again(&read);
    return 0;
}
