// SPDX-License-Identifier: BSD-3-Clause
// Weights that are not linked into the image: a file that `dredkit package` writes beside the
// sources, weights.dkw, somewhere in memory that the core can read like an array. So a product can
// replace them over the air, or keep several.
//
//   static dk_weights weights;
//   if (dk_weights_open(&weights, blob, blob_bytes) == DK_OK) {
//       config.weights = &weights;  // of a dk_sender_config or a dk_receiver_config
//   }
//
// A blob fits an image if both are of one model structure and one instruction set; otherwise it is
// refused. Its checksum finds damage, not fraud: any bytes are harmless, but whoever can write the
// blob decides what a sender says and what a receiver speaks. Check your own signature first.
#ifndef DREDKIT_WEIGHTS_H
#define DREDKIT_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "dredkit/align.h"
#include "dredkit/config.h"
#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_WEIGHTS_ALIGNMENT 16  // of a blob's address, bytes

// Where the tables of an opened blob are. The contents are private.
typedef struct dk_weights {
    DK_ALIGNED(8) unsigned char memory[DK_WEIGHTS_BYTES];
} dk_weights;

// Open a blob of at most `size` bytes. Its tables stay where they are: keep them unchanged as long
// as `weights` or anything that was started with it is in use. This reads every byte twice, for the
// checksum and for the checks of values. Returns DK_OK, DK_ERR_ARGUMENT, or a DK_ERR_BLOB_... that
// says what is wrong; then no sender or receiver starts with `weights`.
int32_t dk_weights_open(dk_weights *weights, const uint8_t *bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif
