// SPDX-License-Identifier: BSD-3-Clause
// Written by toolkit/codegen/constants/dsp.py from quantize/plc/burg.py: do not edit.
// clang-format off
#ifndef DREDKIT_PLC_TABLES_H
#define DREDKIT_PLC_TABLES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_BURG_FLOOR UINT64_C(7205759404)  // 320^2 * 1e-9, Q46
#define DK_BURG_LEVEL (-347334507)  // log2 of 0.45 / (48 * 320 * 50), Q24

extern const int32_t dk_burg_widen[16];  // 0.995^k, k = 1 .. 16, Q30

#ifdef __cplusplus
}
#endif

#endif
