// SPDX-License-Identifier: BSD-3-Clause
// The voice decision by level. quantize/codec/sender.py defines it.
#include "dredkit/sender.h"

#define SILENCE_RMS 200

bool dk_voice_activity(const int16_t *pcm, size_t samples)
{
    uint64_t energy = 0;
    for (size_t i = 0; i < samples; i++) {
        energy += (uint64_t)((int32_t)pcm[i] * pcm[i]);
    }
    return energy > (uint64_t)samples * SILENCE_RMS * SILENCE_RMS;
}
