// SPDX-License-Identifier: BSD-3-Clause
// Tables of the untrained voice: one row for each of eight levels of voicing.
#ifndef DREDKIT_VOCODER_PULSE_TABLES_H
#define DREDKIT_VOCODER_PULSE_TABLES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_PULSE_LEVELS 8
#define DK_PULSE_PHASES 4
#define DK_PULSE_LOG (12 * (1 << 24))  // added to a level: its power becomes Q12
#define DK_PULSE_NOISE_LOG 281731085   // the same for the noise

// Pulses, Q15. The middle of pulse [level][i] lies i quarters of a sample before its ninth tap.
extern const int16_t dk_pulse_pulses[DK_PULSE_LEVELS][DK_PULSE_PHASES][16];
extern const int32_t dk_pulse_means[DK_PULSE_LEVELS];  // three quarters of a pulse's sum, Q15
// The noise's filters, Q14.
extern const int16_t dk_pulse_noises[DK_PULSE_LEVELS][16];
// The noise's envelopes, Q14: the mean, and what nearness to a pulse adds.
extern const int16_t dk_pulse_swells[DK_PULSE_LEVELS][2];

#ifdef __cplusplus
}
#endif

#endif
