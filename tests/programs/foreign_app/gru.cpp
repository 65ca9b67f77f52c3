// SPDX-License-Identifier: BSD-3-Clause
// One gated unit that follows the speech's level.
#include "gru.h"

int16_t tables[2] = {4, 40};  // how fast the unit follows, and the level of speech
int16_t gru_1_state = 0;

bool gru_1(const int16_t *pcm, size_t samples)
{
    int32_t sum = 0;
    for (size_t i = 0; i < samples; i++) {
        sum += pcm[i] < 0 ? -pcm[i] : pcm[i];
    }
    const int32_t level = sum / static_cast<int32_t>(samples);
    const int32_t gate = level > gru_1_state ? 1 : tables[0];
    gru_1_state = static_cast<int16_t>(gru_1_state + (level - gru_1_state) / gate);
    return gru_1_state > tables[1];
}
