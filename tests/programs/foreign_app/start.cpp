// SPDX-License-Identifier: BSD-3-Clause
// The foreign application's own start-up for a Cortex-M, and its files by Arm semihosting, which
// QEMU answers.
#include <stddef.h>
#include <stdint.h>

#include "files.h"

extern "C" {
extern uint32_t app_data[], app_data_end[], app_bss[], app_bss_end[], app_stack[];
extern const uint32_t app_data_load[];
extern void (*const app_constructors[])();
extern void (*const app_constructors_end[])();
void app_reset();
void app_fault();
}

namespace
{

enum { sys_open = 1, sys_close = 2, sys_write = 5, sys_read = 6, sys_exit = 0x20 };
enum { mode_read = 1, mode_write = 5, stopped_by_exit = 0x20026 };

uintptr_t host(uintptr_t operation, const void *arguments)
{
    register uintptr_t first __asm__("r0") = operation;
    register const void *second __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(first) : "r"(second) : "memory");
    return first;
}

}  // namespace

extern "C" void app_fault()
{
    stop(99);
}

extern "C" void app_reset()
{
#if defined(__ARM_FEATURE_MVE) || defined(__ARM_FP)
    *reinterpret_cast<volatile uint32_t *>(0xE000ED88) |= 0xFU << 20;  // CPACR: CP10, CP11
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    volatile uint32_t *to = app_data;
    for (const uint32_t *from = app_data_load; to < app_data_end;) {
        *to++ = *from++;
    }
    for (to = app_bss; to < app_bss_end;) {
        *to++ = 0;
    }
    for (auto constructor = app_constructors; constructor < app_constructors_end; constructor++) {
        (*constructor)();
    }
    stop(application());
}

// The initial stack pointer, reset, and a handler for each fault.
__attribute__((section(".app_vectors"), used)) extern const uintptr_t app_vectors[] = {
    reinterpret_cast<uintptr_t>(app_stack), reinterpret_cast<uintptr_t>(app_reset),
    reinterpret_cast<uintptr_t>(app_fault), reinterpret_cast<uintptr_t>(app_fault),
    reinterpret_cast<uintptr_t>(app_fault), reinterpret_cast<uintptr_t>(app_fault),
    reinterpret_cast<uintptr_t>(app_fault), reinterpret_cast<uintptr_t>(app_fault),
};

int open_file(const char *name, bool to_write)
{
    size_t length = 0;
    while (name[length] != '\0') {
        length++;
    }
    const uintptr_t mode = to_write ? mode_write : mode_read;
    const uintptr_t arguments[] = {reinterpret_cast<uintptr_t>(name), mode, length};
    return static_cast<int>(host(sys_open, arguments));
}

bool read_file(int file, void *data, size_t size)
{
    const uintptr_t arguments[] = {static_cast<uintptr_t>(file), reinterpret_cast<uintptr_t>(data),
                                   size};
    return host(sys_read, arguments) == 0;
}

bool write_file(int file, const void *data, size_t size)
{
    const uintptr_t arguments[] = {static_cast<uintptr_t>(file), reinterpret_cast<uintptr_t>(data),
                                   size};
    return host(sys_write, arguments) == 0;
}

void stop(int status)
{
    const uintptr_t arguments[] = {stopped_by_exit, static_cast<uintptr_t>(status)};
    for (;;) {
        (void)host(sys_exit, arguments);
    }
}
