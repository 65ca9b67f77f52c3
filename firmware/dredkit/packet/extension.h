// SPDX-License-Identifier: BSD-3-Clause
// Reads the extensions in a packet's padding (draft-ietf-mlcodec-opus-extension).
// quantize/packet/extension.py defines it.
#ifndef DREDKIT_PACKET_EXTENSION_H
#define DREDKIT_PACKET_EXTENSION_H

#include "packet/opus_packet.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_EXTENSION_FIRST_LONG 32u  // from this ID on, an extension has any length

// One extension: its data lie inside the packet.
typedef struct {
    const uint8_t *data;
    size_t bytes;
    uint8_t id;     // 3 .. 127
    uint8_t frame;  // that it belongs to, 0 .. 47
} dk_extension;

// The most extensions with data that a frame may have if they are repeated for later frames. More
// are malformed, so that the reader can keep them all and never reads the padding twice.
#define DK_EXTENSION_RUN_MAX 64u

// Walks through the padding once. The extensions of a frame that ID 2 would repeat are its run.
typedef struct {
    const uint8_t *data;  // the padding
    size_t bytes;
    size_t at;                          // the next byte to read
    uint8_t run[DK_EXTENSION_RUN_MAX];  // IDs of the run's extensions that have data
    uint8_t run_count;                  // how many; DK_EXTENSION_RUN_MAX + 1: more than fit
    uint8_t run_longs_end;              // the place in `run` after the last long one; 0: none
    uint8_t place;                      // while repeating: the next of `run`
    uint8_t frame;                      // that extensions belong to
    uint8_t frame_count;                // of the packet
    uint8_t repeat_frame;               // the frame that the run repeats for; 0: it does not repeat
    bool repeat_moves_on;  // after repeating, the next extensions belong to the next frame
    bool is_first_run;     // this run begins where the padding does
    bool repeats_start;    // the run that begins where the padding does is repeated
} dk_extension_reader;

// Start at the first extension of a parsed packet.
void dk_extension_begin(dk_extension_reader *reader, const uint8_t *packet,
                        const dk_opus_packet *parts);

// Read the next extension. Repeated long ones count too; repeated short ones are skipped, because
// no caller wants them. Returns 1, 0 at the end, or
// DK_ERR_EXTENSION where the padding is malformed; then do not call again.
int32_t dk_extension_next(dk_extension_reader *reader, dk_extension *extension);

#ifdef __cplusplus
}
#endif

#endif
