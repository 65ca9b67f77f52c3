// SPDX-License-Identifier: BSD-3-Clause
// The features of DRED: 20 numbers for 10 ms of PCM, around a pitch network that the caller runs.
// quantize/dsp is the definition, to the bit. Cost is the same for every frame.
#ifndef DREDKIT_DRED_FEATURES_H
#define DREDKIT_DRED_FEATURES_H

#include <stdint.h>

#include "dsp/fft.h"
#include "features/features_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_FEATURES_FRAME 160  // samples at 16 kHz
#define DK_FEATURES 20         // 18 cepstral coefficients, pitch, voicing correlation
#define DK_FEATURES_FRAC 10    // fraction bits of features unless a model asks for others
#define DK_CEPSTRUM 18
#define DK_PHASES 88          // IF features: inputs of the pitch network, Q15
#define DK_PITCH_LAGS 224     // cross-correlations of lags 256 .. 33: the other inputs, Q15
#define DK_PITCH_CLASSES 180  // scores of the pitch network
#define DK_MAX_PERIOD 256
#define DK_MIN_PERIOD 32

#define DK_RESIDUAL_TAPS 18                          // predictor and pre-emphasis in one
#define DK_PHASE_BINS 29                             // bins 1 .. 29 keep their phase
#define DK_PCM_PAST (DK_FEATURES_FRAME + 1)          // samples that the next frame needs again
#define DK_SPAN (DK_MAX_PERIOD + DK_FEATURES_FRAME)  // samples that one frame's lags see

// All zero is a valid state: silence before the first sample. Nothing in it is for the caller.
typedef struct {
    int16_t pcm[DK_PCM_PAST];
    int16_t phase[DK_PHASE_BINS][2];  // unit vectors of the last spectrum, Q14
    int32_t excitation[DK_SPAN];      // e[n], Q10, the frame at the end
    int32_t low[DK_SPAN];             // low-passed residual, Q10
    int32_t residual[2];              // last and last but one sample of r[n], Q10
    int32_t cepstrum[DK_CEPSTRUM];    // Q20, from one half of the frame to the other
} dk_features;

// Start from silence.
void dk_features_init(dk_features *features);

// First half of a frame: what the pitch network takes. libopus delays 16 kHz input by 11 samples
// before this (dsp/resample.h does).
void dk_features_analyse(dk_features *features, const int16_t pcm[DK_FEATURES_FRAME],
                         int16_t phases[DK_PHASES], int16_t lags[DK_PITCH_LAGS]);

// Second half: the network's scores, of which 180 with `scores_frac` (0 .. 15) fraction bits
// matter, become pitch and correlation. `out` has `frac` (1 .. 15) fraction bits, saturated.
void dk_features_finish(const dk_features *features, const int16_t *scores, unsigned scores_frac,
                        unsigned frac, int16_t out[DK_FEATURES]);

// The parts. x is the frame and the 160 samples before it, x[0] one more; 32-bit formats are those
// of quantize/dsp.
void dk_features_spectral(dk_features *features, const int16_t x[DK_FFT_POINTS + 1],
                          int16_t phases[DK_PHASES], int32_t logs[DK_CEPSTRUM]);
// The lags, of which lag 0 is in [2^29, 2^30); the true ones are these times 2 to what is returned.
int dk_features_autocorrelation(const int32_t logs[DK_CEPSTRUM], int32_t lags[17]);
void dk_features_predictor(const int32_t logs[DK_CEPSTRUM], int32_t taps[DK_RESIDUAL_TAPS]);
void dk_features_lags(const int32_t span[DK_SPAN], int16_t out[DK_PITCH_LAGS]);
int32_t dk_features_pitch(const int16_t *scores, unsigned frac);
uint32_t dk_features_period(int32_t octaves);
int32_t dk_features_voicing(const int32_t *now, const int32_t *past);
int32_t dk_features_voicing_curve(int32_t c);

#ifdef __cplusplus
}
#endif

#endif
