// SPDX-License-Identifier: BSD-3-Clause
// The arithmetic of LPCNet's sample loop; quantize/vocoder/lpcnet/cells.py defines it to the bit.
// Sizes come from the generated lpcnet_model.h, tables from lpcnet_model.c or from a blob. Three
// files define all these functions: for Helium, for SIMD32 and for any other core. With NEON,
// further files replace the portable products, gates and tree; the products have one version with
// SDOT and one without.
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

// Weights and their inputs. Their values fit int8, but SIMD32 multiplies int16 only.
#if defined(DK_ISA_SIMD32)
typedef int16_t dk_lpcnet_number;
#else
typedef int8_t dk_lpcnet_number;
#endif

enum {
    DK_LPCNET_CODES = 256,    // mu-law steps
    DK_LPCNET_ZERO = 128,     // the code of silence
    DK_LPCNET_HEARD = 3,      // codes that GRU A takes: last sample, prediction, last excitation
    DK_LPCNET_PERIODS = 225,  // 32 .. 256 samples
    DK_LPCNET_TANH_HALF = 1024,
    DK_LPCNET_TANH_FRAC = 8,
    DK_LPCNET_NEAR = 1024,
    DK_LPCNET_FAR_STEP = 32,
    DK_LPCNET_FARTHEST = 32767,
};

// A matrix of 8x4 blocks, of which some are kept. toolkit/codegen/voice/lpcnet.py writes it in the
// order that the ISA needs:
// - Portable: `weights` holds the kept blocks, [8 rows][4 inputs]. `index` holds, for every 8 rows,
//   the number of blocks and then each block's first input divided by 4.
// - Helium: blocks lie side by side in fours, [8 rows][16 inputs]; blocks of zeros complete the
//   last four of 8 rows. `index` is as above, but it counts fours of blocks.
// - SIMD32: four rows at a time, two blocks at a time, no `index`. A word precedes each two blocks;
//   its halves, low half first, hold the byte offset of each block's inputs plus 8. Bit 31 is set
//   in the first word of four rows. Bit 30 is also set if the number of their blocks is odd; then
//   the word describes a single block, in its high half. An empty row group stores one zero block.
//   A word with only bit 31 set ends the stream.
// - NEON: see firmware/dredkit/nn/neon/matvec8.c.
// - Dot products: kept blocks lie in pairs; a block of zeros completes the last pair of 8 rows. Two
//   words precede a pair: the byte offset of each block's inputs. `index` holds the number of pairs
//   for every 8 rows.
typedef struct {
    const dk_lpcnet_number *weights;
    const uint8_t *index;
    uint16_t rows;
} dk_lpcnet_matrix;

// The tables of a model. Words are aligned to four bytes, and so are the int8 and int16 tables.
typedef struct {
    dk_lpcnet_matrix a_gates, a_candidate;  // recurrent: z, r; and h
    dk_lpcnet_matrix b_input, b_gates, b_candidate;
    const int32_t *a_bias;                                     // [DK_LPCNET_A]: the candidates'
    const int32_t *b_bias;                                     // [DK_LPCNET_B]
    const int16_t (*pitch)[DK_LPCNET_EMBEDDING];               // [DK_LPCNET_PERIODS]
    const int8_t (*tables)[DK_LPCNET_CODES][3 * DK_LPCNET_A];  // [DK_LPCNET_HEARD]
    const int16_t *table_scale;                                // [3 * DK_LPCNET_A]
    const int16_t (*tree_weights)[2][DK_LPCNET_B];             // [DK_LPCNET_CODES]
    const int32_t (*tree_bias)[2];                             // [DK_LPCNET_CODES]
    const int16_t (*tree_scale)[2];                            // [DK_LPCNET_CODES]
} dk_lpcnet_cells;

#if defined(DK_LPCNET_LINKED)
extern const dk_lpcnet_cells dk_lpcnet_linked;  // the tables linked into the image
#endif

// Tables that do not depend on a model, in lpcnet_tables.c.
// tanh(x) and sigmoid(2 x), Q15, for x from -4 on in steps of 1/256.
extern const int16_t dk_lpcnet_tanh[2 * DK_LPCNET_TANH_HALF];
extern const int16_t dk_lpcnet_sigmoid[2 * DK_LPCNET_TANH_HALF];

// mu-law: `near` holds the step of each |x| below 1024, counted from zero; `far` holds, from 1024
// on, the step of the last |x| of every 32; `levels` holds the |x| at which each step begins;
// `decoded` holds the sample that each code stands for.
extern const uint8_t dk_lpcnet_near[DK_LPCNET_NEAR];
extern const uint8_t dk_lpcnet_far[(DK_LPCNET_FARTHEST + 1 - DK_LPCNET_NEAR) / DK_LPCNET_FAR_STEP];
extern const int16_t dk_lpcnet_levels[DK_LPCNET_ZERO];
extern const int16_t dk_lpcnet_decoded[DK_LPCNET_CODES];

// Compute sums[3 A] = gates[3 A] plus the codes' contributions to GRU A's gates.
void dk_lpcnet_look_up(const dk_lpcnet_cells *cells, const uint8_t codes[DK_LPCNET_HEARD],
                       const int32_t *gates, int32_t *sums);

// Copy from[count] to to[count]; `count` is a multiple of 8.
void dk_lpcnet_copy(const int32_t *from, uint32_t count, int32_t *to);

// Add W x to sums[rows].
void dk_lpcnet_product(const dk_lpcnet_matrix *matrix, const dk_lpcnet_number *x, int32_t *sums);

// Advance a GRU: sums[3 units] holds the pre-activations of z and r, then the candidate's input
// part; kept[units] is the candidate's recurrent part. Writes state[units], Q15, and x[units].
void dk_lpcnet_update(const int32_t *sums, const int32_t *kept, uint32_t units, int16_t *state,
                      dk_lpcnet_number *x);

// Return the logit of a 1, Q12, at a node of the tree, from the Q15 state of GRU B.
int16_t dk_lpcnet_logit(const dk_lpcnet_cells *cells, uint32_t node,
                        const int16_t state[DK_LPCNET_B]);

#ifdef __cplusplus
}
#endif

#endif
