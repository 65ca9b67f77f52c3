// SPDX-License-Identifier: BSD-3-Clause
// libopus 1.6's policy for spending a bitrate on redundancy, as an optional helper.
// quantize/dred/policy.py defines it.
#ifndef DREDKIT_DRED_POLICY_H
#define DREDKIT_DRED_POLICY_H

#include "dred/history.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint32_t bitrate;  // of the whole stream, bit/s, at most 510000
    uint8_t loss;      // expected packet loss, percent
    uint8_t duration;  // most redundancy, in units of 10 ms, 0 .. 104
    uint8_t units;     // length of a packet in units of 2.5 ms, 1 .. 48
    bool lbrr;         // in-band FEC
} dk_dred_policy_request;

// Decide as libopus does in VBR: fill `rate` and return the bitrate of the DRED share. Returns 0
// for no redundancy, which leaves `rate` untouched, or DK_ERR_ARGUMENT.
int32_t dk_dred_libopus_policy(const dk_dred_policy_request *request, dk_dred_rate *rate);

#ifdef __cplusplus
}
#endif

#endif
