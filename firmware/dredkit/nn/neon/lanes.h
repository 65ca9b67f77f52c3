// SPDX-License-Identifier: BSD-3-Clause
// Operations for which AArch64 and Armv7-A need different NEON instructions.
#ifndef DREDKIT_NEON_LANES_H
#define DREDKIT_NEON_LANES_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

// Return the sums of neighbouring lanes: a's in the lower half, b's in the upper half.
static inline int32x4_t dk_add_neighbours(int32x4_t a, int32x4_t b)
{
#if defined(__aarch64__)
    return vpaddq_s32(a, b);
#else
    return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)),
                        vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
#endif
}

// DK_NEXT loads the next 32 bytes with an instruction that also moves the pointer on. It is written
// in assembly because the compiler, if it knew the distance of the loads, would add to the pointer
// for each load.
typedef struct {
    int8_t bytes[32];
} dk_next_bytes;

#if defined(__aarch64__)
#define DK_NEXT(to, at) \
    __asm__("ldp %q[first], %q[second], [%[pointer]], #32" \
            : [first] "=w"((to).val[0]), [second] "=w"((to).val[1]), [pointer] "+r"(at) \
            : "m"(*(const dk_next_bytes *)(const void *)(at)))
#else
#define DK_NEXT(to, at) \
    __asm__("vld1.8 %h[next], [%[pointer]]!" \
            : [next] "=w"(to), [pointer] "+r"(at) \
            : "m"(*(const dk_next_bytes *)(const void *)(at)))
#endif

static inline int8x16x2_t dk_next_s8(const int8_t **at)
{
    int8x16x2_t next;
#if defined(__aarch64__)
    // With a single stream the compiler makes such pairs of loads itself.
    next = (int8x16x2_t){{vld1q_s8(*at), vld1q_s8(*at + 16)}};
    *at += 32;
#else
    DK_NEXT(next, *at);
#endif
    return next;
}

static inline int16x8x2_t dk_next_s16(const int16_t **at)
{
    int16x8x2_t next;
    DK_NEXT(next, *at);
    return next;
}

// Return four copies of the four bytes at *x and move *x on by `step`. No intrinsic does both.
// `all` is the memory that may be read.
typedef struct {
    int8_t bytes[1024];
} dk_readable;

static inline int8x16_t dk_four_bytes(const int8_t **x, size_t step, const dk_readable *all)
{
    int8x16_t four;
#if defined(__aarch64__)
    __asm__("ld1r {%[four].4s}, [%[x]], %[step]"
            : [four] "=w"(four), [x] "+r"(*x)
            : [step] "r"(step), "m"(*all));
#else
    __asm__("vld1.32 {%e[four][], %f[four][]}, [%[x]], %[step]"
            : [four] "=w"(four), [x] "+r"(*x)
            : [step] "r"(step), "m"(*all));
#endif
    return four;
}

#endif
