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

// Walks through the padding. The extensions of a frame that ID 2 would repeat are its run. While
// they repeat, a second place walks through the run again, so that no list of them is kept.
typedef struct {
    const uint8_t *data;  // the padding
    size_t bytes;
    size_t at;             // the next byte to read
    size_t run;            // the start of the run
    size_t last_long;      // the end of the run's last long extension, 0 if there is none
    size_t trailing;       // data bytes of the run's extensions after the last long one
    size_t source;         // while repeating: the next extension of the run,
    size_t source_end;     // the end of the run
    uint8_t frame;         // that extensions belong to
    uint8_t frame_count;   // of the packet
    uint8_t repeat_frame;  // the frame that the run repeats for; 0: it does not repeat
    bool repeat_moves_on;  // after repeating, the next extensions belong to the next frame
    bool repeats_start;    // the run that begins where the padding does is repeated
} dk_extension_reader;

// Start at the first extension of a parsed packet.
void dk_extension_begin(dk_extension_reader *reader, const uint8_t *packet,
                        const dk_opus_packet *parts);

// Read the next extension. Repeated long ones count too; repeated short ones are skipped, because
// no caller wants them and a hostile packet can hold thousands. Returns 1, 0 at the end, or
// DK_ERR_EXTENSION where the padding is malformed; then do not call again.
int32_t dk_extension_next(dk_extension_reader *reader, dk_extension *extension);

#ifdef __cplusplus
}
#endif

#endif
