// SPDX-License-Identifier: BSD-3-Clause
// Written by toolkit/codegen/constants/dsp.py from quantize/plc/burg.py: do not edit.
// clang-format off
#include "plc/plc_tables.h"

const int32_t dk_burg_widen[16] = {
    1068373115, 1063031249, 1057716093, 1052427513, 1047165375, 1041929548, 1036719900, 1031536301,
    1026378619, 1021246726, 1016140493, 1011059790, 1006004491, 1000974469, 995969596, 990989748,
};
