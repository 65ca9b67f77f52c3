// SPDX-License-Identifier: BSD-3-Clause
// 3 by 3 convolution over time and along a line with NEON: sixteen positions at once.
#include "dk_isa.h"

#if defined(DK_ISA_NEON)

#include <arm_neon.h>
#include <stdbool.h>

#include "nn/conv2d.h"
#include "nn/fixed.h"
#include "nn/neon/requantise.h"
#include "nn/nn.h"

enum { LANES = 8, AT_ONCE = 2 * LANES };

// The sums of sixteen positions.
typedef struct {
    int32x4_t a;
    int32x4_t b;
    int32x4_t c;
    int32x4_t d;
} position_sums;

// Whether the first and the last of sixteen positions are at an end of the line. Beyond an end
// there are zeros.
typedef struct {
    bool first;
    bool last;
} line_ends;

static inline int16x8_t one_before(const int16_t *x, bool at_end)
{
    return at_end ? vextq_s16(vdupq_n_s16(0), vld1q_s16(x), LANES - 1) : vld1q_s16(x - 1);
}

static inline int16x8_t one_after(const int16_t *x, bool at_end)
{
    return at_end ? vextq_s16(vld1q_s16(x), vdupq_n_s16(0), 1) : vld1q_s16(x + 1);
}

// Add three taps of one line; x points at the first position, the taps are lanes 0 to 2 of w.
static inline void add_line(position_sums *sums, int16x4_t w, const int16_t *x, line_ends ends)
{
    const int16x8_t l0 = one_before(x, ends.first), l1 = vld1q_s16(x), l2 = one_after(x, false);
    const int16_t *more = x + LANES;
    const int16x8_t h0 = one_before(more, false), h1 = vld1q_s16(more);
    const int16x8_t h2 = one_after(more, ends.last);
    sums->a = vmlal_lane_s16(sums->a, vget_low_s16(l0), w, 0);
    sums->b = vmlal_lane_s16(sums->b, vget_high_s16(l0), w, 0);
    sums->c = vmlal_lane_s16(sums->c, vget_low_s16(h0), w, 0);
    sums->d = vmlal_lane_s16(sums->d, vget_high_s16(h0), w, 0);
    sums->a = vmlal_lane_s16(sums->a, vget_low_s16(l1), w, 1);
    sums->b = vmlal_lane_s16(sums->b, vget_high_s16(l1), w, 1);
    sums->c = vmlal_lane_s16(sums->c, vget_low_s16(h1), w, 1);
    sums->d = vmlal_lane_s16(sums->d, vget_high_s16(h1), w, 1);
    sums->a = vmlal_lane_s16(sums->a, vget_low_s16(l2), w, 2);
    sums->b = vmlal_lane_s16(sums->b, vget_high_s16(l2), w, 2);
    sums->c = vmlal_lane_s16(sums->c, vget_low_s16(h2), w, 2);
    sums->d = vmlal_lane_s16(sums->d, vget_high_s16(h2), w, 2);
}

static inline void put(int16_t *y, int32x4_t low, int32x4_t high, dk_requantiser by)
{
    vst1q_s16(y, vcombine_s16(dk_requantise_four(low, by), dk_requantise_four(high, by)));
}

// Compute sixteen positions of a row from `at` on.
static inline void sixteen(const int16_t *w, int32x4_t bias, dk_requantiser by,
                           const dk_lines *lines, size_t at, line_ends ends, int16_t *y)
{
    position_sums sums = {bias, bias, bias, bias};
    const int16_t *x0 = lines->times[0] + at;
    const int16_t *x1 = lines->times[1] + at;
    const int16_t *x2 = lines->times[2] + at;
    for (size_t left = lines->channels; left > 0; left--, w += DK_TIMES * DK_TAPS) {
        // Load the last three taps so that nothing is read beyond them.
        const int16x4_t last = vld1_s16(w + DK_TIMES * DK_TAPS - 4);
        add_line(&sums, vld1_s16(w), x0, ends);
        add_line(&sums, vld1_s16(w + DK_TAPS), x1, ends);
        add_line(&sums, vext_s16(last, last, 1), x2, ends);
        x0 += lines->width;
        x1 += lines->width;
        x2 += lines->width;
    }
    put(y + at, sums.a, sums.b, by);
    put(y + at + LANES, sums.c, sums.d, by);
}

static void row_of(const int16_t *w, int32_t start, dk_requantiser by, const dk_lines *lines,
                   int16_t *y)
{
    const line_ends first = {true, false}, between = {false, false}, last = {false, true};
    const int32x4_t bias = vdupq_n_s32(start);
    size_t at = AT_ONCE;
    sixteen(w, bias, by, lines, 0, first, y);
    for (; at + AT_ONCE < lines->width; at += AT_ONCE) {
        sixteen(w, bias, by, lines, at, between, y);
    }
    sixteen(w, bias, by, lines, lines->width - AT_ONCE, last, y);  // may overlap
}

void dk_conv2d(const dk_matrix16 *matrix, const int16_t *past, const int16_t *x, size_t channels,
               size_t width, int16_t *y)
{
    const dk_lines lines = dk_lines_of(past, x, channels, width);
    const int16_t *w = matrix->weights;
    for (size_t row = 0; row < matrix->rows; row++, w += matrix->cols, y += width) {
        const int32_t bias = matrix->bias[row];
        const int16_t multiplier = matrix->multiplier[row];
        const uint8_t shift = matrix->shift[row];
        if (width > AT_ONCE) {
            const dk_requantiser by =
                dk_requantiser_of(vdupq_n_s32(multiplier), vdupq_n_s32(shift));
            row_of(w, bias, by, &lines, y);
            continue;
        }
        for (size_t at = 0; at < width; at++) {
            y[at] = dk_requantise(bias + dk_sum_at(w, &lines, at), multiplier, shift);
        }
    }
}

#endif
