// SPDX-License-Identifier: BSD-3-Clause
// The application has a network of its own, which says whether samples are speech. Generators give
// such layers names like these; no library may have them too.
#ifndef GRU_H
#define GRU_H

#include <stddef.h>
#include <stdint.h>

extern "C" {
extern int16_t gru_1_state;  // what the layer remembers
extern int16_t tables[2];

// Run the layer on samples of 20 ms. Returns whether they are speech.
bool gru_1(const int16_t *pcm, size_t samples);
}

#endif
