// SPDX-License-Identifier: BSD-3-Clause
// What adding and finding share: the framings and their check.
#ifndef DREDKIT_PACKET_FRAMING_H
#define DREDKIT_PACKET_FRAMING_H

#include "packet/extension.h"

#ifdef __cplusplus
extern "C" {
#endif

// Return whether the ID is that of an extension of any length, and the prefix fits its field.
bool dk_framing_is_sound(const dk_packet_framing *framing);

#ifdef __cplusplus
}
#endif

#endif
