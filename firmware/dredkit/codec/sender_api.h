// SPDX-License-Identifier: BSD-3-Clause
// The contents of the public dk_sender. `dredkit package` measures this struct to size dk_sender.
#ifndef DREDKIT_CODEC_SENDER_API_H
#define DREDKIT_CODEC_SENDER_API_H

#include "codec/sender.h"

struct dk_sender_state {
    dk_sender_core core;
    uint32_t ready;  // a fixed number once dk_sender_init has set up the memory
    uint8_t units;   // length of what the last dk_sender_hear took, 2.5 ms each; 0: nothing yet
};

#endif
