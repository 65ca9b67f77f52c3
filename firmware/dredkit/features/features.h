// SPDX-License-Identifier: BSD-3-Clause
// The features of DRED: 20 numbers for 10 ms of PCM. The caller runs the pitch network in the
// middle. quantize/features/integers.py defines them to the bit. Every frame costs the same.
#ifndef DREDKIT_FEATURES_H
#define DREDKIT_FEATURES_H

#include <stdint.h>

#include "dsp/fft.h"
#include "features/features_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DK_FEATURES_FRAME 160  // samples at 16 kHz
#define DK_FEATURES 20         // 18 cepstral coefficients, pitch, voicing correlation
#define DK_FEATURES_FRAC 10    // fractional bits of features, unless a model asks for others
#define DK_CEPSTRUM 18
#define DK_PHASES 88          // IF features: inputs of the pitch network, Q15
#define DK_PITCH_LAGS 224     // cross-correlations of lags 256 .. 33: its other inputs, Q15
#define DK_PITCH_CLASSES 180  // scores of the pitch network
#define DK_MAX_PERIOD 256
#define DK_MIN_PERIOD 32

#define DK_RESIDUAL_TAPS 18                          // predictor and pre-emphasis in one filter
#define DK_PHASE_BINS 29                             // the state keeps the phase of bins 1 .. 29
#define DK_PCM_PAST (DK_FEATURES_FRAME + 1)          // samples that the next frame needs again
#define DK_SPAN (DK_MAX_PERIOD + DK_FEATURES_FRAME)  // samples that one frame's lags cover

extern const uint8_t dk_features_widths[DK_CEPSTRUM - 1];  // bins from a band's middle to the next

// The state between frames. All zero is valid: silence before the first sample. All fields are
// private.
typedef struct {
    int16_t pcm[DK_PCM_PAST];
    int16_t phase[DK_PHASE_BINS][2];  // unit vectors of the last spectrum, Q14
    int32_t excitation[DK_SPAN];      // e[n], Q10; the frame is at the end
    int32_t low[DK_SPAN];             // low-passed residual, Q10
    int32_t residual[2];              // last and last but one sample of r[n], Q10
    int32_t cepstrum[DK_CEPSTRUM];    // Q20; kept from dk_features_analyse to dk_features_finish
} dk_features;

// Initialise to silence.
void dk_features_init(dk_features *features);

// Process the first half of a frame: compute the pitch network's inputs. libopus delays 16 kHz
// input by 11 samples before this; so does dsp/resample.h.
void dk_features_analyse(dk_features *features, const int16_t pcm[DK_FEATURES_FRAME],
                         int16_t phases[DK_PHASES], int16_t lags[DK_PITCH_LAGS]);

// The same without the pitch network's IF features, for a caller that has no such network.
void dk_features_correlate(dk_features *features, const int16_t pcm[DK_FEATURES_FRAME],
                           int16_t lags[DK_PITCH_LAGS]);

// Process the second half of a frame: turn the network's scores into pitch and correlation. The
// first 180 scores matter; they have `scores_frac` (0 .. 15) fractional bits. `out` has `frac`
// (1 .. 15) fractional bits, saturated.
void dk_features_finish(const dk_features *features, const int16_t *scores, unsigned scores_frac,
                        unsigned frac, int16_t out[DK_FEATURES]);

// The same for a pitch in octaves above the pitch of a period of 256 samples, Q20.
void dk_features_finish_at(const dk_features *features, int32_t octaves, unsigned frac,
                           int16_t out[DK_FEATURES]);

// The parts of both halves. 32-bit values have the formats of quantize/dsp and quantize/features.
// In dk_features_spectral, x[1 ..] are the 160 samples before the frame and the frame itself; x[0]
// is the sample before these.
// Compute the IF features, unless `phases` is NULL, and the band logarithms, and store the cepstrum
// in the state.
void dk_features_spectral(dk_features *features, const int16_t x[DK_FFT_POINTS + 1],
                          int16_t phases[DK_PHASES], int32_t logs[DK_CEPSTRUM]);
// Raise band logarithms to the running floor below the bands before them.
void dk_features_floor(int32_t logs[DK_CEPSTRUM]);
// Compute the cepstrum, Q20, of band logarithms.
void dk_features_cepstrum(const int32_t logs[DK_CEPSTRUM], int32_t cepstrum[DK_CEPSTRUM]);
// Compute the lags, scaled so that lag 0 is in [2^29, 2^30). Returns the exponent: the true lags
// are lags[i] * 2^exponent.
int dk_features_autocorrelation(const int32_t logs[DK_CEPSTRUM], int32_t lags[17]);
// Compute the filter of predictor and pre-emphasis that gives the residual, Q24.
void dk_features_predictor(const int32_t logs[DK_CEPSTRUM], int32_t taps[DK_RESIDUAL_TAPS]);
// Compute the normalised cross-correlations of a span of excitation.
void dk_features_lags(const int32_t span[DK_SPAN], int16_t out[DK_PITCH_LAGS]);
// Return the pitch in octaves above the pitch of a period of 256 samples, Q20.
int32_t dk_features_pitch(const int16_t *scores, unsigned frac);
// Return the period in samples of a pitch in octaves, Q20.
uint32_t dk_features_period(int32_t octaves);
// Return the correlation of a frame of low-passed residual with the past, Q15.
int32_t dk_features_voicing(const int32_t *now, const int32_t *past);
// Return the voicing feature, Q20, of a correlation, Q15.
int32_t dk_features_voicing_curve(int32_t c);

#ifdef __cplusplus
}
#endif

#endif
