// SPDX-License-Identifier: BSD-3-Clause
// Written by toolkit/codegen/constants/dsp.py from quantize/dsp: do not edit.
// clang-format off
#ifndef DREDKIT_DRED_FEATURES_TABLES_H
#define DREDKIT_DRED_FEATURES_TABLES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_DCT_FIRST 76185687  // log10(2) / sqrt(18), Q30
#define DK_LOG_RANGE 445861641  // 8 decades in octaves, Q24
#define DK_LOG_FOLLOW 139331763  // 2.5 decades
#define DK_LOG_START (-111465410)  // -2 decades
#define DK_LOG_75 104502237  // log2 75, Q24
#define DK_LOG_POINTS 279237570  // log2 320^2, Q24
#define DK_IF_SLOPE 12330  // 10 log10(2) / 64, Q18
#define DK_IF_OFFSET 3072  // 6 / 64, Q15
#define DK_NOISE_FLOOR 734665459  // 26 / 38, Q30
#define DK_EXCITATION_ZERO 1503238554  // 0.7, Q31
#define DK_LOWPASS_B1 (-912144639)  // Q30
#define DK_LOWPASS_A1 (-1657045770)  // Q30
#define DK_LOWPASS_A2 760779215  // Q30
#define DK_VOICING_SLOPE 236371  // 5 log2 e, Q15
#define DK_VOICING_NORM 36292  // 1 / log2(1 + e^5), Q18
#define DK_LOG2_E 47274  // Q15

extern const int32_t dk_features_window[160];  // rising half, Q23
extern const int32_t dk_features_dct[72];  // a period of the DCT's cosine, Q30
extern const int32_t dk_features_half_dct[18][9];  // first half of each row, Q30
extern const int32_t dk_features_lag_matrix[17][18];  // band density to lags, Q24

#ifdef __cplusplus
}
#endif

#endif
