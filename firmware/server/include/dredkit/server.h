// SPDX-License-Identifier: BSD-3-Clause
// The serial server: runs dk_app_engine for a host at the other end of the port. The messages are
// described in toolkit/common/wire.toml. All memory is static and sized by engine_sizes.h.
#ifndef DREDKIT_SERVER_H
#define DREDKIT_SERVER_H

#include "dredkit_wire.h"
#include "engine_sizes.h"

#ifdef __cplusplus
extern "C" {
#endif

// Steps that the host may have under way at once; so many results are remembered for resends. Long
// steps, such as 20 ms at 48 kHz, keep the line busy two at a time, in a ring that is no larger.
#ifndef DK_SERVER_WINDOW
#define DK_SERVER_WINDOW (DK_ENGINE_INPUT_BYTES > 1000 ? 2u : 4u)
#endif

// The longest payload that a host sends, and the longest frame around it on the wire.
#define DK_SERVER_STEP_BYTES (DK_WIRE_STEP_BYTES + DK_ENGINE_INPUT_BYTES)
#define DK_SERVER_RX_PAYLOAD \
    (DK_SERVER_STEP_BYTES > DK_WIRE_READ_BYTES ? DK_SERVER_STEP_BYTES : DK_WIRE_READ_BYTES)
#define DK_SERVER_RX_FRAME DK_WIRE_FRAME_BYTES(DK_SERVER_RX_PAYLOAD)

// A port's receive ring holds at least this much, so that a host within its window loses nothing
// while a step runs.
#define DK_SERVER_RX_RING_BYTES (DK_SERVER_WINDOW * DK_SERVER_RX_FRAME)

// Answer what has arrived, and return when nothing is left to read.
void dk_server_poll(void);

// Poll for ever.
void dk_server_run(void);

#ifdef __cplusplus
}
#endif

#endif
