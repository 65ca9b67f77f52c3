// SPDX-License-Identifier: BSD-3-Clause
// The arithmetic of LPCNet's sample loop; quantize/vocoder/lpcnet/cells.py is the definition, to
// the bit. Sizes come from the generated lpcnet_model.h, tables from lpcnet_model.c. Three files
// define these functions, for cores with Helium, with SIMD32 and for any other; of the last,
// NEON has products and gates of its own, the products with and without SDOT.
//
// The quantiser has proved that no sum leaves int32, whatever the codes and states are.
#ifndef DREDKIT_VOCODER_LPCNET_CELLS_H
#define DREDKIT_VOCODER_LPCNET_CELLS_H

#include <stdint.h>

#include "dk_isa.h"
#include "lpcnet_model.h"

#ifdef __cplusplus
extern "C" {
#endif

// Weights and what they are multiplied with: int8 in value. SIMD32 multiplies int16 only.
#if defined(DK_ISA_SIMD32)
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
    DK_LPCNET_NEAR = 1024,
    DK_LPCNET_FAR_STEP = 32,
    DK_LPCNET_FARTHEST = 32767,
};

// A matrix of 8x4 blocks, some of which are kept; toolkit/codegen/voice/lpcnet.py has the orders.
// Portable: `weights` are the kept blocks, [8 rows][4 inputs]; `index` has, per 8 rows, a count and
// which inputs each block takes, in fours.
// Helium: four blocks side by side, [8 rows][16 inputs], the last of 8 rows filled up with zeros;
// `index` as above, but counts fours.
// SIMD32: four rows at a time, two blocks at a time. A word before them has, low half first, 8 more
// than the bytes to the inputs of each. The first word of four rows has its highest bit set, and
// the next one too where their blocks are odd in number: then it is the word of one block, in its
// high half. Rows without blocks have one of zeros. A word of that highest bit ends all. No
// `index`.
// NEON: as in firmware/dredkit/nn/neon/matvec8.c.
// Dot products: kept blocks in pairs, the last of 8 rows filled up with one of zeros. Two words
// before them have the bytes to the inputs of each. `index` has how many pairs 8 rows have.
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
// Q15, in steps of 1/256 from -4 on: tanh(x), and sigmoid(2 x).
extern const int16_t dk_lpcnet_tanh[2 * DK_LPCNET_TANH_HALF];
extern const int16_t dk_lpcnet_sigmoid[2 * DK_LPCNET_TANH_HALF];

// mu-law: the steps from zero of |x| below 1024; those of the last |x| of each 32 from there on;
// the |x| at which each step begins; the sample that a code stands for.
extern const uint8_t dk_lpcnet_near[DK_LPCNET_NEAR];
extern const uint8_t dk_lpcnet_far[(DK_LPCNET_FARTHEST + 1 - DK_LPCNET_NEAR) / DK_LPCNET_FAR_STEP];
extern const int16_t dk_lpcnet_levels[DK_LPCNET_ZERO];
extern const int16_t dk_lpcnet_decoded[DK_LPCNET_CODES];

// sums[3 A] = gates[3 A] + what the codes add to GRU A's gates.
void dk_lpcnet_look_up(const uint8_t codes[DK_LPCNET_HEARD], const int32_t *gates, int32_t *sums);

// to[count] = from[count]; `count` is in eights.
void dk_lpcnet_copy(const int32_t *from, uint32_t count, int32_t *to);

// sums[rows] += W x.
void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x, int32_t *sums);

// Advance a GRU: sums[3 units] are the pre-activations z and r, and what the candidate hears;
// kept[units] is the candidate's recurrent half. Writes state[units] Q15 and x[units].
void dk_lpcnet_update(const int32_t *sums, const int32_t *kept, uint32_t units, int16_t *state,
                      dk_lpcnet_number *x);

// The logit of a 1, Q12, at a node of the tree, from the Q15 state of GRU B.
int16_t dk_lpcnet_logit(uint32_t node, const int16_t state[DK_LPCNET_B]);

#ifdef __cplusplus
}
#endif

#endif
