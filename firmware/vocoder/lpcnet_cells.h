// SPDX-License-Identifier: BSD-3-Clause
// The arithmetic of LPCNet's sample loop; quantize/vocoder/lpcnet_cells.py is the definition, to
// the bit. Sizes come from the generated lpcnet_model.h, tables from lpcnet_model.c. Three files
// define these functions, for cores with Helium, with SIMD32 and for any other.
//
// The quantiser has proved that no sum leaves int32, whatever the codes and states are.
#ifndef DREDKIT_VOCODER_LPCNET_CELLS_H
#define DREDKIT_VOCODER_LPCNET_CELLS_H

#include <stdint.h>

#include "lpcnet_model.h"

#if defined(__ARM_FEATURE_MVE)
#define DK_LPCNET_MVE
#elif defined(__ARM_FEATURE_SIMD32)
#define DK_LPCNET_SIMD32
#endif

// Weights and what they are multiplied with: int8 in value. SIMD32 multiplies int16 only.
#if defined(DK_LPCNET_SIMD32)
typedef int16_t dk_lpcnet_number;
#else
typedef int8_t dk_lpcnet_number;
#endif

enum {
    DK_LPCNET_CODES = 256,    // mu-law steps
    DK_LPCNET_ZERO = 128,     // the code of silence
    DK_LPCNET_HEARD = 3,      // codes that GRU A hears: last sample, prediction, last excitation
    DK_LPCNET_PERIODS = 225,  // 32 .. 256 samples
    DK_LPCNET_TANH_HALF = 1024,
    DK_LPCNET_TANH_FRAC = 8,
};

// A matrix of 8x4 blocks, some of which are kept. `index` has per 8 rows a count and then what each
// is multiplied with, in fours of inputs.
// Helium counts fours of blocks, [4][8 rows][16 inputs] at `weights`, of which the last may be
// filled up with zeros. Elsewhere the blocks' upper four rows come first, [count][4][4], then the
// lower ones.
typedef struct {
    const dk_lpcnet_number *weights;
    const uint8_t *index;
    uint16_t rows;
} dk_lpcnet_matrix;

extern const dk_lpcnet_matrix dk_lpcnet_a_gates, dk_lpcnet_a_candidate;  // recurrent: z and r; h
extern const dk_lpcnet_matrix dk_lpcnet_b_input, dk_lpcnet_b_gates, dk_lpcnet_b_candidate;
extern const int32_t dk_lpcnet_a_bias[DK_LPCNET_A], dk_lpcnet_b_bias[DK_LPCNET_B];  // candidates'
extern const int8_t dk_lpcnet_tables[DK_LPCNET_HEARD][DK_LPCNET_CODES][3 * DK_LPCNET_A];
extern const int16_t dk_lpcnet_table_scale[3 * DK_LPCNET_A];
extern const int16_t dk_lpcnet_tree_weights[DK_LPCNET_CODES][2][DK_LPCNET_B];
extern const int32_t dk_lpcnet_tree_bias[DK_LPCNET_CODES][2];
extern const int16_t dk_lpcnet_tree_scale[DK_LPCNET_CODES][2];
extern const int16_t dk_lpcnet_pitch[DK_LPCNET_PERIODS][DK_LPCNET_EMBEDDING];

// Of no model: lpcnet_tables.c.
extern const int16_t dk_lpcnet_tanh[2 * DK_LPCNET_TANH_HALF];  // Q15, steps of 1/256 from -4
extern const int16_t dk_lpcnet_levels[DK_LPCNET_ZERO];         // |x| where the next code begins
extern const int16_t dk_lpcnet_decoded[DK_LPCNET_CODES];

// sums[3 A] = gates[3 A] + what the codes add to GRU A's gates.
void dk_lpcnet_look_up(const uint8_t codes[DK_LPCNET_HEARD], const int32_t *gates, int32_t *sums);

// sums[rows] = from[rows] + W x. `from` may be `sums`.
void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x,
                       const int32_t *from, int32_t *sums);

// Advance a GRU: sums[3 units] are the pre-activations z and r, and what the candidate hears;
// kept[units] is the candidate's recurrent half. Writes state[units] Q15 and x[units].
void dk_lpcnet_update(const int32_t *sums, const int32_t *kept, uint32_t units, int16_t *state,
                      dk_lpcnet_number *x);

// Sums of the two halves of a node of the tree over the Q15 state of GRU B, biases included.
void dk_lpcnet_node(uint32_t node, const int16_t state[DK_LPCNET_B], int32_t sums[2]);

// tanh, Q15, of a pre-activation that has `shift` more fractional bits than the table's steps.
static inline int32_t dk_lpcnet_tanh_of(int32_t sum, int shift)
{
    const int32_t step = sum >> shift;
    const int32_t high = step < DK_LPCNET_TANH_HALF ? step : DK_LPCNET_TANH_HALF - 1;
    const int32_t inside = high < -DK_LPCNET_TANH_HALF ? -DK_LPCNET_TANH_HALF : high;
    return (dk_lpcnet_tanh + DK_LPCNET_TANH_HALF)[inside];
}

#endif
