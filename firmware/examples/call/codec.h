// SPDX-License-Identifier: BSD-3-Clause
// The base codec of the call: libopus, mono at 16 kHz, packets of 20 ms. Functions that return an
// int32_t return a negative error of libopus if they fail.
#ifndef EXAMPLES_CODEC_H
#define EXAMPLES_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#define SAMPLES 320  // 20 ms

// Start encoder and decoder. `complexity` is 0 to 10.
int32_t codec_start(int complexity);

// Return the bytes of memory that encoder and decoder take.
int32_t codec_bytes(void);

// Return the delay of libopus as a dk_sender_config wants it.
uint16_t codec_delay(void);

// Encode 20 ms. Returns the length of the packet.
int32_t codec_encode(const int16_t *pcm, uint8_t *packet, int32_t capacity);

// Decode a packet that arrived.
int32_t codec_decode(const uint8_t *packet, int32_t bytes, int16_t *pcm);

// Tell whether a packet has LBRR: a coarse copy of the 20 ms before it.
bool codec_has_lbrr(const uint8_t *packet, int32_t bytes);

// Decode the 20 ms before a packet from its LBRR.
int32_t codec_recover(const uint8_t *packet, int32_t bytes, int16_t *pcm);

// Tell whether a packet is SILK's or hybrid: only such a one may be decoded twice.
bool codec_has_silk(const uint8_t *packet, int32_t bytes);

// Let the decoder conceal a lost packet, so that its state decays. The receiver plays what it makes
// up where no voice speaks.
int32_t codec_conceal(int16_t *pcm);

#endif
