// SPDX-License-Identifier: BSD-3-Clause
// The serial server's sizes, which the port checks: the measuring program has no server.
#ifndef DREDKIT_ENGINE_SIZES_H
#define DREDKIT_ENGINE_SIZES_H

#define DK_ENGINE_INPUT_BYTES 4
#define DK_ENGINE_OUTPUT_BYTES 4
#define DK_ENGINE_TRACE_BYTES 4

#endif
