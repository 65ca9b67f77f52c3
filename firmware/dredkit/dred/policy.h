// SPDX-License-Identifier: BSD-3-Clause
// How libopus 1.6 spends a bitrate on redundancy (quantize/dred/policy.py): a helper.
#ifndef DREDKIT_DRED_POLICY_H
#define DREDKIT_DRED_POLICY_H

#include "dred/history.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint32_t bitrate;  // of the whole stream, bit/s, at most 510000
    uint8_t loss;      // expected, percent
    uint8_t duration;  // of redundancy at most, 0 .. 104 in 10 ms
    uint8_t units;     // of 2.5 ms in a packet, 1 .. 48
    bool lbrr;         // in-band FEC
} dk_dred_policy_request;

// Decide as libopus does in VBR: fills `rate` and returns the bitrate of the DRED share, 0 for no
// redundancy (`rate` is untouched), or DK_ERR_ARGUMENT.
int32_t dk_dred_libopus_policy(const dk_dred_policy_request *request, dk_dred_rate *rate);

#ifdef __cplusplus
}
#endif

#endif
