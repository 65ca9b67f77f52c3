// SPDX-License-Identifier: BSD-3-Clause
// The serial server: runs dk_app_engine for a host at the other end of the port.
// toolkit/common/wire.toml describes the messages. All memory is static and sized by
// engine_sizes.h.
#ifndef DREDKIT_SERVER_H
#define DREDKIT_SERVER_H

#include "dredkit_wire.h"
#include "engine_sizes.h"

#ifdef __cplusplus
extern "C" {
#endif

// The number of steps that the host may have under way at once. The server remembers so many
// results to resend them. For long steps, such as 20 ms at 48 kHz, two keep the line busy and the
// ring need not grow.
#ifndef DK_SERVER_WINDOW
#define DK_SERVER_WINDOW (DK_ENGINE_INPUT_BYTES > 1000 ? 2u : 4u)
#endif

// The longest payload that a host sends, and the longest frame around it on the wire.
#define DK_SERVER_STEP_BYTES (DK_WIRE_STEP_BYTES + DK_ENGINE_INPUT_BYTES)
#define DK_SERVER_RX_PAYLOAD \
    (DK_SERVER_STEP_BYTES > DK_WIRE_READ_BYTES ? DK_SERVER_STEP_BYTES : DK_WIRE_READ_BYTES)
#define DK_SERVER_RX_FRAME DK_WIRE_FRAME_BYTES(DK_SERVER_RX_PAYLOAD)

// A port's receive ring holds at least so many bytes: then no byte of a host within its window is
// lost while a step runs.
#define DK_SERVER_RX_RING_BYTES (DK_SERVER_WINDOW * DK_SERVER_RX_FRAME)

// Answer the requests that have arrived. Returns when nothing is left to read.
void dk_server_poll(void);

// Poll and sleep for ever.
void dk_server_run(void);

#ifdef __cplusplus
}
#endif

#endif
