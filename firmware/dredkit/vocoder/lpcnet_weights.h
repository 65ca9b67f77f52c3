// SPDX-License-Identifier: BSD-3-Clause
// Opens LPCNet's tables from a weights blob.
#ifndef DREDKIT_VOCODER_LPCNET_WEIGHTS_H
#define DREDKIT_VOCODER_LPCNET_WEIGHTS_H

#include "vocoder/lpcnet_cells.h"
#include "weights/blob.h"

#ifdef __cplusplus
extern "C" {
#endif

// Fill `cells` from a blob. Every index is checked; no codes or states can make a sum leave int32.
void dk_blob_lpcnet(dk_blob *blob, dk_lpcnet_cells *cells);

#ifdef __cplusplus
}
#endif

#endif
