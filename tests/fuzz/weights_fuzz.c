// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target for weights blobs: any bytes, with a right header and checksum, are opened; what
// opens is run with extreme inputs. tests/fuzz/weights.py writes fuzz_matrices.h and the model.
//
// On another ISA than portable C, packed matrices are read as that ISA's kernels read them: every
// byte of the stream, of the index and of the inputs that the index leads to.
//
// Built with libFuzzer, or with DK_FUZZ_MAIN as a program that makes its own mutations of a blob:
//     weights_fuzz BLOB RUNS
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dred/payload.h"
#include "fuzz_matrices.h"
#include "gated.h"
#include "lines.h"
#include "model_weights.h"
#include "nn/nn.h"
#include "small.h"
#include "vocoder/lpcnet.h"
#include "weights/crc32.h"

enum { KINDS = 4, AT_SIZE = 8, AT_SECTIONS = 12, ROOM = 4096, FOUR = 4, PAIR = 72 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t seed = 1;
static volatile uint32_t seen;

static uint32_t draw(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void touch(const void *from, size_t size)
{
    const uint8_t *bytes = from;
    for (size_t i = 0; i < size; i++) {
        seen += bytes[i];
    }
}

static void touch_four(const int8_t *x, size_t at)
{
    touch(x + at, FOUR);
}

// The functions below read a packed matrix as the kernels in firmware/dredkit/nn/<isa>/ do. `x` has
// exactly matrix->cols bytes.
static const int8_t *touch_group(const dk_matrix8 *m, const int8_t *x, const int8_t *w,
                                 const uint8_t **index)
{
    size_t tiles;
#if DK_BLOB_ISA == 1
    tiles = m->index == NULL ? (m->cols + 3U) / 4 : *(*index)++;
    for (size_t i = 0; m->index != NULL && i < tiles; i++) {
        touch_four(x, (size_t)FOUR * *(*index)++);
    }
    require(tiles <= (m->cols + 3U) / 4);  // the size of a kernel's buffer
    const size_t size = (m->index == NULL ? 1 : 2) * (32 + 16 * tiles);
#elif DK_BLOB_ISA == 2
    tiles = m->index == NULL ? (m->cols + 15U) / 16 : *(*index)++;
    for (size_t i = 0; m->index != NULL && i < 4 * tiles; i++) {
        touch_four(x, (size_t)FOUR * *(*index)++);
    }
    require(tiles <= (m->cols + 15U) / 16);
    const size_t size = 128 * tiles + 64;
#elif DK_BLOB_ISA == 3
    size_t size = 128 * ((m->cols + 15U) / 16) + 64;
    if (m->index != NULL) {
        tiles = 2 * (size_t)(*index)[0];
        size_t at = (size_t)FOUR * (*index)[1];
        *index += 2;
        require(tiles > 0);
        for (size_t i = 0; i < tiles; i++) {
            touch_four(x, at);
            at += *(*index)++;
        }
        size = 32 * tiles + 64;
    }
#else
    tiles = m->index == NULL ? (m->cols + 3U) / 4 : *(*index)++;
    size_t size = 64 + 32 * tiles;
    if (m->index != NULL) {
        size = 64 + PAIR * tiles;
        for (size_t i = 0; i < tiles; i++) {
            uint32_t offsets[2];
            memcpy(offsets, w + 32 + i * PAIR, sizeof offsets);
            touch_four(x, offsets[0]);
            touch_four(x, offsets[1]);
        }
    }
#endif
    touch(w, size);
    return w + size;
}

static void touch_packed(const dk_matrix8 *m, const int8_t *x)
{
    const size_t rows = DK_BLOB_ISA == 1 && m->index == NULL ? 4 : 8;
    const int8_t *w = m->weights;
    const uint8_t *index = m->index;
    for (size_t row = 0; row < m->rows; row += rows) {
        w = touch_group(m, x, w, &index);
    }
}

static void run_matrix(const dk_matrix8 *m)
{
    int16_t y[ROOM];
    int8_t *x = malloc(m->cols);
    require(x != NULL && m->rows <= ROOM);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < m->cols; i++) {
            const bool high = kind == 0 || (kind == 2 && i % 2 == 0);
            x[i] = (int8_t)(kind == 3 ? (int)draw(255) - 127 : high ? 127 : -127);
        }
        if (m->bias == NULL) {
            touch_packed(m, x);
        } else {
            dk_matvec8(m, x, y);
        }
    }
    free(x);
}

#if DK_BLOB_ISA == 0

// Fill inputs: all at one end, at the other, at both in turn, or anywhere.
static void fill16(int16_t *x, size_t count, unsigned kind)
{
    for (size_t i = 0; i < count; i++) {
        const bool high = kind == 0 || (kind == 2 && i % 2 == 0);
        x[i] = kind == 3 ? (int16_t)draw(65536) : high ? INT16_MAX : INT16_MIN;
    }
}

static void run_networks(const dk_model_weights *model)
{
    static dk_small small;
    static dk_gated gated;
    static dk_lines lines;
    static dk_small_scratch small_work;
    static dk_gated_scratch gated_work;
    static dk_lines_scratch lines_work;
    int16_t x[64], a[64], b[64];
    dk_small_reset(&small);
    dk_gated_reset(&gated);
    dk_lines_reset(&lines);
    for (unsigned step = 0; step < 2 * KINDS; step++) {
        fill16(x, 64, step % KINDS);
        dk_small_step(&model->small, &small, &small_work, x, a, b, NULL);
        dk_gated_step(&model->gated, &gated, &gated_work, x, a, b, NULL);
        dk_lines_step(&model->lines, &lines, &lines_work, x, a, NULL);
    }
}

static void run_voice(const dk_model_weights *model)
{
    static dk_lpcnet voice;
    int16_t context[DK_VOICE_CONTEXT][DK_VOICE_FEATURES], past[DK_VOICE_PAST];
    int16_t ahead[DK_VOICE_FEATURES], known[DK_VOICE_FRAME], pcm[DK_VOICE_FRAME];
    const unsigned kind = draw(KINDS);
    fill16(context[0], (size_t)DK_VOICE_CONTEXT * DK_VOICE_FEATURES, kind);
    fill16(past, DK_VOICE_PAST, kind);
    memset(&voice, 0, sizeof voice);
    voice.weights = (dk_lpcnet_weights){&model->lpcnet_condition, &model->lpcnet};
    dk_lpcnet_begin(&voice, (const int16_t(*)[DK_VOICE_FEATURES])context, past);
    for (unsigned frame = 0; frame < 2; frame++) {
        fill16(ahead, DK_VOICE_FEATURES, draw(KINDS));
        fill16(known, DK_VOICE_FRAME, draw(KINDS));
        dk_lpcnet_frame(&voice, ahead, frame == 0 ? known : NULL, pcm);
    }
}

#endif

static void run_tables(const dk_dred_tables *tables)
{
    uint8_t payload[64], written[64];
    int32_t values[DK_DRED_STATES];
    static dk_dred_payload read;
    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] = (uint8_t)draw(256);
    }
    for (size_t i = 0; i < DK_DRED_STATES; i++) {
        values[i] = (int32_t)(draw(65536) << 16);
    }
    (void)dk_dred_parse(tables, payload, sizeof payload, DK_DRED_MAX_CHUNKS, &read);
    dk_dred_writer writer;
    const dk_dred_header header = {(uint8_t)draw(14), 0, 15, 0};
    require(dk_dred_writer_init(&writer, tables, &header, written, sizeof written) == 0);
    dk_dred_writer_keep(&writer);
    if (dk_dred_writer_state(&writer, values) && dk_dred_writer_chunk(&writer, values)) {
        dk_dred_writer_keep(&writer);
    }
    require(dk_dred_writer_finish(&writer) <= sizeof written);
}

static uint32_t opened;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dk_model_weights model;
    uint8_t *own = aligned_alloc(DK_BLOB_ALIGNMENT, (size + 15) / 16 * 16 + 16);
    require(own != NULL);
    uint8_t *blob = own;  // its end is where the sanitizer sees a read beyond it
    memcpy(blob, data, size);
    const int32_t status = dk_model_open(&model, blob, size);
    require(status == DK_OK || (status <= DK_ERR_BLOB_FORMAT && status >= DK_ERR_BLOB_VALUE));
    if (status == DK_OK) {
        opened++;
        run_tables(model.tables);
#define RUN(matrix) run_matrix(&model.matrix);
        FUZZ_MATRICES(RUN)
#if DK_BLOB_ISA == 0
        run_networks(&model);
        run_voice(&model);
#endif
    }
    free(own);
    return 0;
}

// Make a header and a checksum right that a mutation has broken. `first` has a right header.
static void repair(uint8_t *data, size_t size, const uint8_t *first)
{
    memcpy(data, first, DK_BLOB_HEADER_BYTES);
    for (size_t i = 0; i < 4; i++) {
        data[AT_SIZE + i] = (uint8_t)(size >> (8 * i));
    }
    const uint32_t sum = dk_crc32(0, data, size - DK_BLOB_SUM_BYTES);
    for (size_t i = 0; i < 4; i++) {
        data[size - DK_BLOB_SUM_BYTES + i] = (uint8_t)(sum >> (8 * i));
    }
}

#if defined(DK_FUZZ_MAIN)

static uint32_t word_at(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

// Return a place to change: of the list of sections, of a section (small ones as often as large
// ones), or of all.
static size_t place(const uint8_t *first, size_t size)
{
    const uint32_t sections = word_at(first + AT_SECTIONS);
    const size_t list = DK_BLOB_HEADER_BYTES;
    const uint8_t *entry = first + list + (size_t)draw(sections) * DK_BLOB_ENTRY_BYTES;
    const uint32_t offset = word_at(entry + 4), length = word_at(entry + 8);
    switch (draw(8)) {
        case 0:
            return list + draw((uint32_t)(size - list));
        case 1:
            return list + draw(sections * DK_BLOB_ENTRY_BYTES);
        default:
            return length > 0 ? offset + draw(length) : offset;
    }
}

static void mutate(uint8_t *data, size_t size, const uint8_t *first)
{
    static const uint8_t ends[] = {0, 1, 127, 128, 129, 255};
    const size_t list = DK_BLOB_HEADER_BYTES;
    const size_t at = place(first, size);
    const size_t count = 1 + draw(8);
    switch (draw(4)) {
        case 0:
            data[at] = (uint8_t)draw(256);
            break;
        case 1:
            memset(data + at, ends[draw(sizeof ends)], count < size - at ? count : 1);
            break;
        case 2:
            data[at] = (uint8_t)(data[at] + (draw(2) == 0 ? 1 : 255));
            break;
        default:
            data[at] = data[list + draw((uint32_t)(size - list))];
    }
}

int main(int count, char **arguments)
{
    FILE *file = count == 3 ? fopen(arguments[1], "rb") : NULL;
    if (file == NULL) {
        return 2;
    }
    const size_t most = (size_t)1 << 20;
    uint8_t *first = malloc(most), *data = malloc(most);
    require(first != NULL && data != NULL);
    const size_t size = fread(first, 1, most, file);
    (void)fclose(file);
    const long runs = strtol(arguments[2], NULL, 10);
    for (long run = 0; run < runs; run++) {
        memcpy(data, first, size);
        for (uint32_t left = 1 + draw(3); run > 0 && left > 0; left--) {
            mutate(data, size, first);
        }
        repair(data, size, first);
        LLVMFuzzerTestOneInput(data, size);
    }
    printf("%ld runs, %lu opened\n", runs, (unsigned long)opened);
    free(first);
    free(data);
    return 0;
}

#else

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int start);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int start)
{
    uint8_t first[DK_BLOB_HEADER_BYTES];
    if (size < DK_BLOB_HEADER_BYTES + DK_BLOB_SUM_BYTES) {
        return LLVMFuzzerMutate(data, size, most);
    }
    seed = start | 1;
    memcpy(first, data, sizeof first);
    // Mutate a part, so that most sections stay sound.
    const size_t body = size - DK_BLOB_HEADER_BYTES - DK_BLOB_SUM_BYTES;
    const size_t at = DK_BLOB_HEADER_BYTES + draw((uint32_t)body + 1);
    const size_t rest = size - at < 64 ? size - at : 64;
    (void)LLVMFuzzerMutate(data + at, rest, rest);
    repair(data, size, first);
    return size;
}

#endif
