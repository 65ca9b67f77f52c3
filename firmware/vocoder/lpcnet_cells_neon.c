// SPDX-License-Identifier: BSD-3-Clause
// The sample loop's products on AArch64: eight of them an instruction. The rest of the loop is the
// portable file's, which the compiler vectorises as far as table reads let it.
#include "vocoder/lpcnet_cells.h"

#if defined(DK_LPCNET_NEON)

#include <arm_neon.h>
#include <string.h>

enum { ROWS = 8, COLS = 4, BLOCK = ROWS * COLS };

void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x, int32_t *sums)
{
    const int8_t *w = matrix->weights;
    const uint8_t *index = matrix->index;
    for (const int32_t *last = sums + matrix->rows; sums < last; sums += ROWS) {
        // Two lanes a row, each with the products of two inputs.
        int32x4_t rows01 = vdupq_n_s32(0), rows23 = rows01, rows45 = rows01, rows67 = rows01;
        for (uint32_t left = *index++; left > 0; left--, w += BLOCK) {
            uint32_t four;
            memcpy(&four, x + (uint32_t)COLS * *index++, sizeof four);
            const int8x16_t in = vreinterpretq_s8_u32(vdupq_n_u32(four));
            const int8x16_t upper = vld1q_s8(w), lower = vld1q_s8(w + BLOCK / 2);
            rows01 = vpadalq_s16(rows01, vmull_s8(vget_low_s8(upper), vget_low_s8(in)));
            rows23 = vpadalq_s16(rows23, vmull_high_s8(upper, in));
            rows45 = vpadalq_s16(rows45, vmull_s8(vget_low_s8(lower), vget_low_s8(in)));
            rows67 = vpadalq_s16(rows67, vmull_high_s8(lower, in));
        }
        vst1q_s32(sums, vaddq_s32(vld1q_s32(sums), vpaddq_s32(rows01, rows23)));
        vst1q_s32(sums + 4, vaddq_s32(vld1q_s32(sums + 4), vpaddq_s32(rows45, rows67)));
    }
}

#endif
