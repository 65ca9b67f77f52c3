// SPDX-License-Identifier: BSD-3-Clause
// The smallest engine: every output byte is the input byte with all bits inverted.
#include "dredkit/engine.h"

#include "engine_sizes.h"

static dk_status reset(void)
{
    return DK_OK;
}

static dk_status step(const uint8_t *input, uint8_t *output, uint8_t *trace)
{
    (void)trace;
    for (uint32_t i = 0; i < DK_ENGINE_OUTPUT_BYTES; i++) {
        output[i] = (uint8_t)~input[i];
    }
    return DK_OK;
}

const dk_engine dk_app_engine = {
    .stage = "probe",
    .target = "any",
    .model_hash = {0x70, 0x72, 0x6f, 0x62, 0x65},
    .input_bytes = DK_ENGINE_INPUT_BYTES,
    .output_bytes = DK_ENGINE_OUTPUT_BYTES,
    .trace_bytes = DK_ENGINE_TRACE_BYTES,
    .reset = reset,
    .step = step,
};
