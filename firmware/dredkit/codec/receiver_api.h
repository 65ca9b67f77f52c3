// SPDX-License-Identifier: BSD-3-Clause
// The contents of the public dk_receiver. `dredkit package` measures this struct to size
// dk_receiver.
#ifndef DREDKIT_CODEC_RECEIVER_API_H
#define DREDKIT_CODEC_RECEIVER_API_H

#include "codec/receiver.h"

struct dk_receiver_state {
    dk_receiver_core core;
    uint32_t ready;  // a fixed number once dk_receiver_init has set up the memory
    uint32_t time;   // time stamp of the next sample, at the output rate
    uint8_t chunks_a_call;
};

#endif
