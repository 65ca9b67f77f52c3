// SPDX-License-Identifier: BSD-3-Clause
// All of dredkit's public headers. config.h, which `dredkit package` generates, says whether this
// folder holds a sender, a receiver or both, and whether it opens weights from a
// blob.
#ifndef DREDKIT_DREDKIT_H
#define DREDKIT_DREDKIT_H

#include "dredkit/config.h"
#include "dredkit/packet.h"
#include "dredkit/status.h"
#include "dredkit/version.h"

#if defined(DK_SENDER_BYTES)
#include "dredkit/sender.h"
#endif
#if defined(DK_RECEIVER_BYTES)
#include "dredkit/receiver.h"
#endif
#if defined(DK_WEIGHTS_BYTES)
#include "dredkit/weights.h"
#endif

#endif
