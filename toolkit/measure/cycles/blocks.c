// SPDX-License-Identifier: BSD-3-Clause
// A plugin for QEMU that counts how often each block of guest code ran, step by step.
//
// A step begins when execution reaches the address `enter` and ends when it reaches `leave`. Code
// outside a step, such as waiting for the serial line, is not counted. Within a step every arrival
// at `layer` or `network` ends a section and begins the next. The plugin writes records of 32-bit
// words to the file `out`:
//
//     1, number, start, instructions              a block, before its first count
//     2, end, n, n times: number, times, leaps    a section, and which mark ended it
//     3                                           the step's end
//
// A leap is an execution of a block that was not followed by the block right behind it in memory.
// The record is flushed at a step's end, so that a step's record is complete once its result is
// known.
//
// Debian's QEMU comes without qemu-plugin.h, so the prototypes stand below. QEMU states which
// versions of its plugin interface it takes; PLUGIN_API is the one to declare. The functions that
// this plugin calls are the same in versions 1 (QEMU 4.2) to 6. Since version 7 (QEMU 11) a
// translation callback gets user data in place of the plugin's ID. Addresses must fit 32 bits.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

#ifndef PLUGIN_API
#error "define PLUGIN_API: the version of QEMU's plugin interface"
#endif

#if PLUGIN_API >= 7
typedef void (*translated)(struct qemu_plugin_tb *tb, void *data);
#else
typedef void (*translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
#endif
typedef void (*executed)(unsigned int cpu, void *data);

#if PLUGIN_API >= 7
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated call, void *data);
#else
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated call);
#endif
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed call,
                                          enum qemu_plugin_cb_flags flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))
EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

int qemu_plugin_version = PLUGIN_API;

enum record { BLOCK = 1, SECTION = 2, STEP = 3 };
enum mark { LEAVE, LAYER, NETWORK, ENTER, MARKS };

static const char *const mark_names[MARKS] = {"leave", "layer", "network", "enter"};

typedef struct block {
    uint32_t number, start, end, instructions;
    uint32_t times, leaps;  // in this section
    bool told;              // whether the file has it
    struct block *touched;  // next in the list of blocks that ran in this section
    struct block *made;     // next in the list of all blocks
} block;

static struct {
    uint32_t marks[MARKS];  // 1, which is not a code address, for a mark that an image lacks
    FILE *out;
    block *all;      // every block ever translated: few, and QEMU may translate one again
    uint32_t count;  // of all blocks
    bool inside;     // whether a step is running
    block *touched;
    uint32_t touched_count;
    block *last;
} state;

static void put(uint32_t word)
{
    (void)fwrite(&word, sizeof word, 1, state.out);
}

static void tell(block *b)
{
    const uint32_t words[] = {BLOCK, b->number, b->start, b->instructions};
    (void)fwrite(words, sizeof words, 1, state.out);
    b->told = true;
}

static void end_section(enum mark end)
{
    for (block *b = state.touched; b != NULL; b = b->touched) {
        if (!b->told) {
            tell(b);
        }
    }
    put(SECTION);
    put(end);
    put(state.touched_count);
    for (block *b = state.touched; b != NULL; b = b->touched) {
        put(b->number);
        put(b->times);
        put(b->leaps);
        b->times = 0;
        b->leaps = 0;
    }
    state.touched = NULL;
    state.touched_count = 0;
}

static void on_block(unsigned int cpu, void *data)
{
    (void)cpu;
    block *b = data;
    if (b->start == state.marks[ENTER]) {
        state.inside = true;
        state.last = NULL;
    }
    if (!state.inside) {
        return;
    }
    if (state.last != NULL && b->start != state.last->end) {
        state.last->leaps++;
    }
    if (b->start == state.marks[LEAVE]) {
        end_section(LEAVE);
        put(STEP);
        (void)fflush(state.out);
        state.inside = false;
        return;
    }
    if (b->start == state.marks[LAYER] || b->start == state.marks[NETWORK]) {
        end_section(b->start == state.marks[LAYER] ? LAYER : NETWORK);
    }
    if (b->times++ == 0) {
        b->touched = state.touched;
        state.touched = b;
        state.touched_count++;
    }
    state.last = b;
}

// Return the block of these addresses; the same one each time that QEMU translates it.
static block *block_of(uint32_t start, uint32_t end, uint32_t instructions)
{
    for (block *b = state.all; b != NULL; b = b->made) {
        if (b->start == start && b->end == end && b->instructions == instructions) {
            return b;
        }
    }
    block *b = calloc(1, sizeof *b);
    if (b == NULL) {
        abort();
    }
    b->number = state.count++;
    b->start = start;
    b->end = end;
    b->instructions = instructions;
    b->made = state.all;
    state.all = b;
    return b;
}

static void instrument(struct qemu_plugin_tb *tb)
{
    const size_t count = qemu_plugin_tb_n_insns(tb);
    const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, count - 1);
    // `end` is too large if QEMU looked at an instruction on the next page and did not take it.
    // Such a block does not end with a branch, so its leaps do not matter.
    const uint64_t end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
    block *b = block_of((uint32_t)qemu_plugin_tb_vaddr(tb), (uint32_t)end, (uint32_t)count);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, b);
}

#if PLUGIN_API >= 7
static void on_translation(struct qemu_plugin_tb *tb, void *data)
{
    (void)data;
    instrument(tb);
}

static void register_translation(qemu_plugin_id_t id)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation, NULL);
}
#else
static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    instrument(tb);
}

static void register_translation(qemu_plugin_id_t id)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
}
#endif

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (value == NULL) {
            return -1;
        }
        const size_t name = (size_t)(value++ - argv[i]);
        if (strncmp(argv[i], "out", name) == 0) {
            state.out = fopen(value, "wb");
        }
        for (int mark = 0; mark < MARKS; mark++) {
            if (strncmp(argv[i], mark_names[mark], name) == 0) {
                state.marks[mark] = (uint32_t)strtoul(value, NULL, 0);
            }
        }
    }
    if (state.out == NULL) {
        return -1;
    }
    register_translation(id);
    return 0;
}
