// SPDX-License-Identifier: BSD-3-Clause
// The entropy tables of a model and the level law. quantize/dred defines both to the bit.
#ifndef DREDKIT_DRED_TABLES_H
#define DREDKIT_DRED_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_DRED_LEVELS 16
#define DK_DRED_LATENTS 25  // elements of a latent vector, which stands for 40 ms
#define DK_DRED_STATES 50   // elements of a decoder's initial state
#define DK_DRED_ROWS 4      // rows of a table, all Q8:
#define DK_DRED_SCALE 0
#define DK_DRED_DEADZONE 1
#define DK_DRED_DECAY 2   // r: 0 means that the element is not sent at this level
#define DK_DRED_P_ZERO 3  // p0: 255 also means that the element is not sent

// 4800 bytes without padding, in the order of EntropyTables.to_bytes in quantize/dred/tables.py.
// Every element that is sent has a P(0) of at least 1; dredkit writes no other tables.
typedef struct {
    uint8_t latents[DK_DRED_ROWS][DK_DRED_LEVELS][DK_DRED_LATENTS];
    uint8_t states[DK_DRED_ROWS][DK_DRED_LEVELS][DK_DRED_STATES];
} dk_dred_tables;

// The model's tables, which a sender and a receiver share; generated.
extern const dk_dred_tables dk_model_tables;

// A payload's header. q0 is 0 .. 15, dq 0 .. 7. qmax is q0 + 1 .. 15, and always 15 if no level
// depends on it (q0 >= 14 or dq == 0). offset, -8175 .. 16 in units of 2.5 ms, is how far the
// newest chunk reaches past the packet's first sample.
typedef struct {
    uint8_t q0;
    uint8_t dq;
    uint8_t qmax;
    int16_t offset;
} dk_dred_header;

// One level of a table: four bytes for each of `count` elements.
typedef struct {
    const uint8_t *scale;
    const uint8_t *deadzone;
    const uint8_t *decay;
    const uint8_t *p_zero;
    uint8_t count;
} dk_dred_row;

// Return a level's row of the latents or of the states; level <= 15.
dk_dred_row dk_dred_latent_row(const dk_dred_tables *tables, unsigned level);
dk_dred_row dk_dred_state_row(const dk_dred_tables *tables, unsigned level);

// Return the level of a chunk (0 is the newest) under a sound header; chunk <= 255.
unsigned dk_dred_level(const dk_dred_header *header, unsigned chunk);

// Return whether the header's fields are in range and agree with each other.
bool dk_dred_header_is_sound(const dk_dred_header *header);

// Return whether a payload with this q0 and dq has a field for qmax.
static inline bool dk_dred_sends_qmax(unsigned q0, unsigned dq)
{
    return q0 < 14 && dq > 0;
}

// Return whether an element with these table entries is sent.
static inline bool dk_dred_is_sent(unsigned decay, unsigned p_zero)
{
    return decay != 0 && p_zero != 255;
}

#ifdef __cplusplus
}
#endif

#endif
