// SPDX-License-Identifier: BSD-3-Clause
// LPCNet's sample loop with two products an instruction: Cortex-M4 and M7. It is written in
// assembly because 16,000 samples a second are due and compiled code takes half as long again: the
// compiler neither loads several words at once nor keeps all sums in registers.
#include "vocoder/lpcnet_cells.h"

#if defined(DK_ISA_SIMD32)

#include <string.h>

#include "nn/scratch.h"

enum { TANH_SHIFT = DK_LPCNET_FRAC - DK_LPCNET_TANH_FRAC, SIGMOID_SHIFT = TANH_SHIFT + 1 };

static inline uint32_t word(const int16_t two[2])
{
    uint32_t both;
    memcpy(&both, two, sizeof both);
    return both;
}

// The linter wants const here, but the inline assembly writes through these pointers. The layout is
// one instruction a line.
// NOLINTBEGIN(readability-non-const-parameter)
// clang-format off

#define REGISTERS \
    DK_WORD(r0); \
    DK_WORD(r1); \
    DK_WORD(r2); \
    DK_WORD(r3); \
    DK_WORD(r4); \
    DK_WORD(r5); \
    DK_WORD(r6); \
    DK_WORD(r8)
#define SCRATCH \
    DK_WRITES(r0), DK_WRITES(r1), DK_WRITES(r2), DK_WRITES(r3), DK_WRITES(r4), DK_WRITES(r5), \
    DK_WRITES(r6), DK_WRITES(r8)

// Look up four gates: the bytes of the three tables are added in pairs, 0 and 2 in r4, 1 and 3 in
// r0; then they are multiplied by their scales in r1 and r2 and added to the frame's gates.
#define LOOK_UP_FOUR \
    "ldr r0, [%[t0]], #4\n\t" \
    "ldr r1, [%[t1]], #4\n\t" \
    "ldr r2, [%[t2]], #4\n\t" \
    "sxtb16 r4, r0\n\t" \
    "sxtb16 r0, r0, ror #8\n\t" \
    "sxtab16 r4, r4, r1\n\t" \
    "sxtab16 r0, r0, r1, ror #8\n\t" \
    "sxtab16 r4, r4, r2\n\t" \
    "sxtab16 r0, r0, r2, ror #8\n\t" \
    "ldrd r1, r2, [%[scale]], #8\n\t" \
    "ldmia %[gates]!, {r3, r5, r6, r8}\n\t" \
    "smlabb r3, r4, r1, r3\n\t" \
    "smlabt r5, r0, r1, r5\n\t" \
    "smlatb r6, r4, r2, r6\n\t" \
    "smlatt r8, r0, r2, r8\n\t" \
    "stmia %[sums]!, {r3, r5, r6, r8}\n\t"

void dk_lpcnet_look_up(const dk_lpcnet_cells *cells, const uint8_t codes[DK_LPCNET_HEARD],
                       const int32_t *gates, int32_t *sums)
{
    const int8_t *t0 = cells->tables[0][codes[0]];
    const int8_t *t1 = cells->tables[1][codes[1]];
    const int8_t *t2 = cells->tables[2][codes[2]];
    const int16_t *scale = cells->table_scale;
    const int8_t *const end = t0 + sizeof cells->tables[0][0];
    REGISTERS;
    __asm__ volatile(
        "1:\n\t"
        LOOK_UP_FOUR LOOK_UP_FOUR LOOK_UP_FOUR
        LOOK_UP_FOUR LOOK_UP_FOUR LOOK_UP_FOUR
        "ldr r0, %[end]\n\t"
        "cmp %[t0], r0\n\t"
        "bne 1b"
        : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [scale] "+&r"(scale), [gates] "+&r"(gates),
          [sums] "+&r"(sums), SCRATCH
        : [end] "m"(end)
        : "cc", "memory");
}

void dk_lpcnet_copy(const int32_t *from, uint32_t count, int32_t *to)
{
    const int32_t *const end = from + count;
    DK_WORD(r2);
    DK_WORD(r3);
    DK_WORD(r4);
    DK_WORD(r5);
    DK_WORD(r6);
    DK_WORD(r8);
    DK_WORD(r9);
    DK_WORD(r12);
    __asm__ volatile(
        "1:\n\t"
        "ldmia %[from]!, {r2, r3, r4, r5, r6, r8, r9, r12}\n\t"
        "cmp %[from], %[end]\n\t"
        "stmia %[to]!, {r2, r3, r4, r5, r6, r8, r9, r12}\n\t"
        "bne 1b"
        : [from] "+&r"(from), [to] "+&r"(to), DK_WRITES(r2), DK_WRITES(r3), DK_WRITES(r4),
          DK_WRITES(r5), DK_WRITES(r6), DK_WRITES(r8), DK_WRITES(r9), DK_WRITES(r12)
        : [end] "r"(end)
        : "cc", "memory");
}

// Add two rows of a block with inputs in p and q. The sums of four rows are in r0 .. r3, the
// weights of two rows in r4, r5, r6 and r8.
#define TWO_ROWS(first, second) \
    "smlad " first ", r4, %[p], " first "\n\t" \
    "smlad " second ", r6, %[p], " second "\n\t" \
    "smlad " first ", r5, %[q], " first "\n\t" \
    "smlad " second ", r8, %[q], " second "\n\t"

void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x, int32_t *sums)
{
    const dk_lpcnet_number *w = matrix->weights;
    const dk_lpcnet_number *base = x - 4;  // the words hold offsets plus 8, so that no word is 0
    uint32_t p, q;
    REGISTERS;
    DK_WORD(r9);
    __asm__ volatile(
        "ldr r9, [%[w]], #4\n\t"
        "b 3f\n"
        "1:\n\t"
        "uxtah %[p], %[base], r9\n\t"
        "ldmia %[w]!, {r4, r5, r6, r8}\n\t"
        "ldrd %[p], %[q], [%[p]]\n\t"
        TWO_ROWS("r0", "r1")
        "ldmia %[w]!, {r4, r5, r6, r8}\n\t"
        TWO_ROWS("r2", "r3")
        "2:\n\t"
        "uxtah %[p], %[base], r9, ror #16\n\t"
        "ldmia %[w]!, {r4, r5, r6, r8}\n\t"
        "ldrd %[p], %[q], [%[p]]\n\t"
        TWO_ROWS("r0", "r1")
        "ldmia %[w]!, {r4, r5, r6, r8, r9}\n\t"
        TWO_ROWS("r2", "r3")
        "cmp r9, #0\n\t"
        "bpl 1b\n\t"
        "stmia %[sums]!, {r0, r1, r2, r3}\n"
        "3:\n\t"  // four rows begin
        "lsls %[p], r9, #1\n\t"
        "beq 4f\n\t"
        "ldmia %[sums], {r0, r1, r2, r3}\n\t"
        "bic r9, r9, #0xC0000000\n\t"
        "bpl 1b\n\t"
        "b 2b\n"
        "4:"
        : [w] "+&r"(w), [sums] "+&r"(sums), [p] "=&r"(p), [q] "=&r"(q), SCRATCH, DK_WRITES(r9)
        : [base] "r"(base)
        : "cc", "memory");
}

// Update two units. r0 and r1 hold r, then the candidates, then the states; r2 and r3 hold the
// recurrent parts, then z.
#define UPDATE_TWO \
    "ldrd r0, r1, [%[r]], #8\n\t" \
    "ssat r0, #11, r0, asr %[half]\n\t" \
    "ssat r1, #11, r1, asr %[half]\n\t" \
    "ldrd r2, r3, [%[kept]], #8\n\t" \
    "ldrsh r0, [%[sigmoid], r0, lsl #1]\n\t" \
    "ldrsh r1, [%[sigmoid], r1, lsl #1]\n\t" \
    "smulwb r2, r2, r0\n\t" \
    "smulwb r3, r3, r1\n\t" \
    "ldrd r0, r1, [%[h]], #8\n\t" \
    "add r0, r0, r2, lsl #1\n\t" \
    "add r1, r1, r3, lsl #1\n\t" \
    "ssat r0, #11, r0, asr %[whole]\n\t" \
    "ssat r1, #11, r1, asr %[whole]\n\t" \
    "ldrd r2, r3, [%[z]], #8\n\t" \
    "ldrsh r0, [%[tanh], r0, lsl #1]\n\t" \
    "ldrsh r1, [%[tanh], r1, lsl #1]\n\t" \
    "ssat r2, #11, r2, asr %[half]\n\t" \
    "ssat r3, #11, r3, asr %[half]\n\t" \
    "ldr r4, [%[state]]\n\t" \
    "ldrsh r2, [%[sigmoid], r2, lsl #1]\n\t" \
    "ldrsh r3, [%[sigmoid], r3, lsl #1]\n\t" \
    "sxth r5, r4\n\t" \
    "rsb r4, r1, r4, asr #16\n\t" \
    "sub r5, r5, r0\n\t" \
    "mul r3, r4, r3\n\t" \
    "mul r2, r5, r2\n\t" \
    "add r1, r1, r3, asr #15\n\t" \
    "add r0, r0, r2, asr #15\n\t" \
    "mov r4, #0x00800080\n\t" \
    "pkhbt r0, r0, r1, lsl #16\n\t" \
    "str r0, [%[state]], #4\n\t" \
    "qadd16 r0, r0, r4\n\t" \
    "sxtb16 r0, r0, ror #8\n\t" \
    "str r0, [%[x]], #4\n\t"

void dk_lpcnet_update(const int32_t *sums, const int32_t *kept, uint32_t units, int16_t *state,
                      dk_lpcnet_number *x)
{
    const int32_t *z = sums, *r = sums + units, *h = r + units;
    const int16_t *tanh = dk_lpcnet_tanh + DK_LPCNET_TANH_HALF;
    const int16_t *sigmoid = dk_lpcnet_sigmoid + DK_LPCNET_TANH_HALF;
    const int16_t *const end = state + units;
    DK_WORD(r0);
    DK_WORD(r1);
    DK_WORD(r2);
    DK_WORD(r3);
    DK_WORD(r4);
    DK_WORD(r5);
    __asm__ volatile(
        "1:\n\t"
        UPDATE_TWO UPDATE_TWO UPDATE_TWO UPDATE_TWO
        "ldr r5, %[end]\n\t"
        "cmp %[state], r5\n\t"
        "bne 1b"
        : [z] "+&r"(z), [r] "+&r"(r), [h] "+&r"(h), [kept] "+&r"(kept), [state] "+&r"(state),
          [x] "+&r"(x), DK_WRITES(r0), DK_WRITES(r1), DK_WRITES(r2), DK_WRITES(r3), DK_WRITES(r4),
          DK_WRITES(r5)
        : [tanh] "r"(tanh), [sigmoid] "r"(sigmoid), [end] "m"(end), [whole] "i"(TANH_SHIFT),
          [half] "i"(SIGMOID_SHIFT)
        : "cc", "memory");
}

// Add eight inputs of both halves of a node, whose weights lie a row apart.
#define NODE_EIGHT \
    "ldmia %[state]!, {r0, r1, r2, r3}\n\t" \
    "ldmia %[w0]!, {r4, r5, r6, r8}\n\t" \
    "smlad %[s0], r0, r4, %[s0]\n\t" \
    "smlad %[s0], r1, r5, %[s0]\n\t" \
    "smlad %[s0], r2, r6, %[s0]\n\t" \
    "smlad %[s0], r3, r8, %[s0]\n\t" \
    "ldmia %[w1]!, {r4, r5, r6, r8}\n\t" \
    "smlad %[s1], r0, r4, %[s1]\n\t" \
    "smlad %[s1], r1, r5, %[s1]\n\t" \
    "smlad %[s1], r2, r6, %[s1]\n\t" \
    "smlad %[s1], r3, r8, %[s1]\n\t"

int16_t dk_lpcnet_logit(const dk_lpcnet_cells *cells, uint32_t node,
                        const int16_t state[DK_LPCNET_B])
{
    int32_t s0 = cells->tree_bias[node][0], s1 = cells->tree_bias[node][1];
    const int16_t *w0 = cells->tree_weights[node][0], *w1 = w0 + DK_LPCNET_B;
    const uint32_t scale = word(cells->tree_scale[node]);  // before: the loop takes every register
    for (uint32_t done = 0; done < DK_LPCNET_B; done += 8) {  // constant count: no loop is left
        REGISTERS;
        __asm__ volatile(
            NODE_EIGHT
            : [s0] "+&r"(s0), [s1] "+&r"(s1), [w0] "+&r"(w0), [w1] "+&r"(w1), [state] "+&r"(state),
              SCRATCH
            :
            : "memory");
    }
    const int16_t *tanh = dk_lpcnet_tanh + DK_LPCNET_TANH_HALF;
    int32_t logit = 1 << (DK_LPCNET_LOGIT_SHIFT - 1);
    __asm__(
        "ssat %[s0], #11, %[s0], asr %[shift]\n\t"
        "ssat %[s1], #11, %[s1], asr %[shift]\n\t"
        "ldrsh %[s0], [%[tanh], %[s0], lsl #1]\n\t"
        "ldrsh %[s1], [%[tanh], %[s1], lsl #1]\n\t"
        "smlabb %[logit], %[s0], %[scale], %[logit]\n\t"
        "smlabt %[logit], %[s1], %[scale], %[logit]\n\t"
        "ssat %[logit], #16, %[logit], asr %[down]"
        : [s0] "+&r"(s0), [s1] "+&r"(s1), [logit] "+&r"(logit)
        : [tanh] "r"(tanh), [scale] "r"(scale),
          [shift] "i"(DK_LPCNET_TREE_FRAC - DK_LPCNET_TANH_FRAC), [down] "i"(DK_LPCNET_LOGIT_SHIFT)
        : "memory");
    return (int16_t)logit;
}
// clang-format on
// NOLINTEND(readability-non-const-parameter)

#endif
