// SPDX-License-Identifier: BSD-3-Clause
// The interface between the serial server and a stage of the codec: one step function. An image has
// one instance, dk_app_engine. firmware/server/sender, receiver and call define it; for a
// single network the generator writes it beside the model's tables.
#ifndef DREDKIT_ENGINE_H
#define DREDKIT_ENGINE_H

#include <stdint.h>

#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_MODEL_HASH_BYTES 16  // first half of the SHA-256 of the quantised model file

typedef struct {
    const char *stage;   // "rdovae_enc", ...
    const char *target;  // name of the target's TOML file
    uint8_t model_hash[DK_MODEL_HASH_BYTES];
    uint16_t input_bytes;   // of one step
    uint16_t output_bytes;  // of one step
    uint16_t trace_bytes;   // all layer outputs of one step, in the manifest's order
    // Bring the stage to its state before the first step.
    dk_status (*reset)(void);
    // Run one step. `trace` is NULL or has room for trace_bytes; input and output are
    // little-endian.
    dk_status (*step)(const uint8_t *input, uint8_t *output, uint8_t *trace);
} dk_engine;

extern const dk_engine dk_app_engine;

// Define the instance. The generated engine_sizes.h has everything except the two functions.
#define DK_APP_ENGINE(reset_function, step_function) \
    const dk_engine dk_app_engine = { \
        .stage = DK_ENGINE_STAGE, \
        .target = DK_ENGINE_TARGET, \
        .model_hash = DK_ENGINE_MODEL_HASH, \
        .input_bytes = DK_ENGINE_INPUT_BYTES, \
        .output_bytes = DK_ENGINE_OUTPUT_BYTES, \
        .trace_bytes = DK_ENGINE_TRACE_BYTES, \
        .reset = (reset_function), \
        .step = (step_function), \
    }

#ifdef DK_PROFILE
// Start the trace of a step that began at `ticks`. Only an image for `dredkit bench` has this: its
// traces hold times instead of values; see firmware/server/profile/trace.c.
void dk_trace_begin(uint32_t ticks);
#endif

// The generated engine_sizes.h also gives the sizes of the server's buffers as compile-time upper
// bounds: DK_ENGINE_INPUT_BYTES, DK_ENGINE_OUTPUT_BYTES and DK_ENGINE_TRACE_BYTES.

#ifdef __cplusplus
}
#endif

#endif
