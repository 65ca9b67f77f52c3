// SPDX-License-Identifier: BSD-3-Clause
// Sizes of the smallest engine's step.
#ifndef DREDKIT_ENGINE_SIZES_H
#define DREDKIT_ENGINE_SIZES_H

#define DK_ENGINE_INPUT_BYTES 16u
#define DK_ENGINE_OUTPUT_BYTES 16u
#define DK_ENGINE_TRACE_BYTES 0u

#endif
