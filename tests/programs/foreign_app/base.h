// SPDX-License-Identifier: BSD-3-Clause
// The application's base codec, mono at 16 kHz in packets of 20 ms: opus.cpp, or stand_in.cpp where
// libopus is not at hand.
#ifndef BASE_H
#define BASE_H

#include <stddef.h>
#include <stdint.h>

namespace base
{

constexpr size_t samples = 320;

// Start encoder and decoder; false if that fails.
bool start();

// The encoder's delay in samples at 16 kHz, as OPUS_GET_LOOKAHEAD tells it.
uint32_t lookahead();

// Make a packet of `samples` of speech. Returns its length, 0 if that fails.
size_t encode(const int16_t *pcm, uint8_t *packet, size_t capacity);

// Make `samples` of a packet; NULL for a packet that was lost. Returns false if that fails.
bool decode(const uint8_t *packet, size_t bytes, int16_t *pcm);

}  // namespace base

#endif
