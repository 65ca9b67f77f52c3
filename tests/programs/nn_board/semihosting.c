// SPDX-License-Identifier: BSD-3-Clause
// The parts of a C library that main.c needs, for cores whose compiler's library is for Linux:
// files by Arm semihosting (Arm's "Semihosting for AArch32 and AArch64"), which QEMU answers, and
// an exit after faults. The rest is in firmware/port/<family>.
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drivers.h"

enum { SYS_OPEN = 1, SYS_CLOSE, SYS_WRITEC, SYS_WRITE = 5, SYS_READ, SYS_EXIT_EXTENDED = 0x20 };
// The host's file numbers start at 1; the numbers given to main.c start after STDERR_FILENO.
enum { OURS = STDERR_FILENO };
enum { MODE_RB = 1, MODE_WB = 5, STOPPED_BY_EXIT = 0x20026 };

static uintptr_t host(uintptr_t operation, const void *arguments)
{
#if defined(__aarch64__)
    register uintptr_t first __asm__("x0") = operation;
    register const void *second __asm__("x1") = arguments;
    __asm__ volatile("hlt #0xF000" : "+r"(first) : "r"(second) : "memory");
#else
    register uintptr_t first __asm__("r0") = operation;
    register const void *second __asm__("r1") = arguments;
    __asm__ volatile("svc #0xAB" : "+r"(first) : "r"(second) : "lr", "memory");  // of Thumb
#endif
    return first;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    for (const volatile char *at = text; *at != 0; at++) {
        length++;
    }
    return length;
}

int open(const char *path, int flags, ...)
{
    const uintptr_t mode = (flags & O_WRONLY) != 0 ? MODE_WB : MODE_RB;
    const uintptr_t arguments[] = {(uintptr_t)path, mode, strlen(path)};
    const int file = (int)host(SYS_OPEN, arguments);
    return file < 0 ? file : file + OURS;
}

int close(int file)
{
    const uintptr_t arguments[] = {(uintptr_t)(file - OURS)};
    return (int)host(SYS_CLOSE, arguments);
}

ssize_t read(int file, void *data, size_t size)
{
    const uintptr_t arguments[] = {(uintptr_t)(file - OURS), (uintptr_t)data, size};
    return (ssize_t)(size - host(SYS_READ, arguments));
}

ssize_t write(int file, const void *data, size_t size)
{
    if (file == STDERR_FILENO) {
        for (const char *at = data; at < (const char *)data + size; at++) {
            (void)host(SYS_WRITEC, at);
        }
        return (ssize_t)size;
    }
    const uintptr_t arguments[] = {(uintptr_t)(file - OURS), (uintptr_t)data, size};
    return (ssize_t)(size - host(SYS_WRITE, arguments));
}

void exit(int status)
{
    const uintptr_t arguments[] = {STOPPED_BY_EXIT, (uintptr_t)status};
    for (;;) {
        (void)host(SYS_EXIT_EXTENDED, arguments);
    }
}

void dk_fault_tell(const dk_fault_word *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)write(STDERR_FILENO, words[i].name, strlen(words[i].name));
        for (int digit = 2 * (int)sizeof words[i].value; digit-- > 0;) {
            (void)write(STDERR_FILENO, &"0123456789abcdef"[words[i].value >> 4 * digit & 15], 1);
        }
    }
    exit(1);
}
