// SPDX-License-Identifier: BSD-3-Clause
// Stands in for QEMU: loads the counting plugin given first, with the other arguments, by the
// calls of QEMU's plugin interface PLUGIN_API, then "runs" one step of a guest.
//
// The guest's blocks are of two instructions of four bytes each.
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_insn {
    uint64_t address;
};
struct qemu_plugin_tb {
    struct qemu_plugin_insn instructions[2];
    void (*call)(unsigned int cpu, void *data);
    void *data;
};

static const uint64_t ID = 77;

#if PLUGIN_API >= 7
typedef void (*translated)(struct qemu_plugin_tb *tb, void *data);
static void *user_data;
EXPORT void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated call, void *data);
#else
typedef void (*translated)(uint64_t id, struct qemu_plugin_tb *tb);
EXPORT void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated call);
#endif
static translated on_translation;

#if PLUGIN_API >= 7
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated call, void *data)
{
    user_data = data;
#else
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated call)
{
#endif
    on_translation = id == ID ? call : NULL;
}

EXPORT void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
                                                 void (*call)(unsigned int, void *), int flags,
                                                 void *data)
{
    (void)flags;
    tb->call = call;
    tb->data = data;
}

EXPORT size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
    return sizeof tb->instructions / sizeof *tb->instructions;
}

EXPORT uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb)
{
    return tb->instructions[0].address;
}

EXPORT struct qemu_plugin_insn *qemu_plugin_tb_get_insn(struct qemu_plugin_tb *tb, size_t index)
{
    return &tb->instructions[index];
}

EXPORT uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn)
{
    return insn->address;
}

EXPORT size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn)
{
    (void)insn;
    return 4;
}

static void run(uint64_t address)
{
    struct qemu_plugin_tb tb = {.instructions = {{address}, {address + 4}}};
#if PLUGIN_API >= 7
    on_translation(&tb, user_data);
#else
    on_translation(ID, &tb);
#endif
    tb.call(0, tb.data);
}

int main(int argc, char **argv)
{
    static const uint64_t guest[] = {
        0x50,                     // outside a step
        0x100,                    // the step begins
        0x108,     0x108, 0x200,  // straight on, a jump back, and one ahead
        0x300,                    // a layer ends
        0x100 + 8, 0x400,         // the step ends
    };
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (plugin == NULL) {
        (void)fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    const int *version = dlsym(plugin, "qemu_plugin_version");
    int (*install)(uint64_t, const void *, int, char **) =
        (int (*)(uint64_t, const void *, int, char **))dlsym(plugin, "qemu_plugin_install");
    if (version == NULL || *version != PLUGIN_API || install == NULL) {
        return 2;
    }
    if (install(ID, NULL, argc - 2, argv + 2) != 0 || on_translation == NULL) {
        return 3;
    }
    for (size_t i = 0; i < sizeof guest / sizeof *guest; i++) {
        run(guest[i]);
    }
    return 0;
}
