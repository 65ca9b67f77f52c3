// SPDX-License-Identifier: BSD-3-Clause
// memcpy, memmove, memset and memcmp, which a compiler may call for any code. They work on words of
// eight bytes, which need not be aligned. NO_CALLS keeps the compiler from turning their loops into
// calls to themselves.
#include <stddef.h>
#include <stdint.h>

#define NO_CALLS __attribute__((optimize("no-tree-loop-distribute-patterns")))
#define WORD sizeof(uint64_t)

typedef struct {
    uint64_t value;
} __attribute__((packed, may_alias)) word;

// The same as in string.h, except that its names for the arguments are reserved names.
void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);
int memcmp(const void *left, const void *right, size_t count);

NO_CALLS static void copy_up(uint8_t *to, const uint8_t *from, size_t count)
{
    for (; count >= WORD; count -= WORD) {
        ((word *)to)->value = ((const word *)from)->value;
        to += WORD;
        from += WORD;
    }
    while (count-- > 0) {
        *to++ = *from++;
    }
}

NO_CALLS void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    copy_up(to, from, count);
    return to;
}

NO_CALLS void *memmove(void *to, const void *from, size_t count)
{
    if ((uintptr_t)to - (uintptr_t)from >= count) {
        copy_up(to, from, count);
        return to;
    }
    uint8_t *end = (uint8_t *)to + count;
    const uint8_t *source = (const uint8_t *)from + count;
    for (; count >= WORD; count -= WORD) {
        end -= WORD;
        source -= WORD;
        ((word *)end)->value = ((const word *)source)->value;
    }
    while (count-- > 0) {
        *--end = *--source;
    }
    return to;
}

NO_CALLS void *memset(void *to, int byte, size_t count)
{
    uint8_t *at = to;
    const uint64_t eight = (uint8_t)byte * UINT64_C(0x0101010101010101);
    for (; count >= WORD; count -= WORD) {
        ((word *)at)->value = eight;
        at += WORD;
    }
    while (count-- > 0) {
        *at++ = (uint8_t)byte;
    }
    return to;
}

NO_CALLS int memcmp(const void *left, const void *right, size_t count)
{
    const uint8_t *a = left;
    const uint8_t *b = right;
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i]) {
            return a[i] - b[i];
        }
    }
    return 0;
}
