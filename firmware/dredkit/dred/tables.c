// SPDX-License-Identifier: BSD-3-Clause
// Access to the entropy tables, the level law, and the check of a header.
#include "dred/tables.h"

#define OFFSET_MIN (16 - (256 * 32 - 1))
#define OFFSET_MAX 16

dk_dred_row dk_dred_latent_row(const dk_dred_tables *tables, unsigned level)
{
    return (dk_dred_row){
        .scale = tables->latents[DK_DRED_SCALE][level],
        .deadzone = tables->latents[DK_DRED_DEADZONE][level],
        .decay = tables->latents[DK_DRED_DECAY][level],
        .p_zero = tables->latents[DK_DRED_P_ZERO][level],
        .count = DK_DRED_LATENTS,
    };
}

dk_dred_row dk_dred_state_row(const dk_dred_tables *tables, unsigned level)
{
    return (dk_dred_row){
        .scale = tables->states[DK_DRED_SCALE][level],
        .deadzone = tables->states[DK_DRED_DEADZONE][level],
        .decay = tables->states[DK_DRED_DECAY][level],
        .p_zero = tables->states[DK_DRED_P_ZERO][level],
        .count = DK_DRED_STATES,
    };
}

unsigned dk_dred_level(const dk_dred_header *header, unsigned chunk)
{
    static const uint8_t slopes[8] = {0, 2, 3, 4, 6, 8, 12, 16};  // sixteenths per chunk, by dq
    const unsigned level = header->q0 + (slopes[header->dq] * chunk + 8) / 16;
    return level < header->qmax ? level : header->qmax;
}

bool dk_dred_header_is_sound(const dk_dred_header *header)
{
    if (header->q0 >= DK_DRED_LEVELS || header->dq >= 8) {
        return false;
    }
    if (header->offset < OFFSET_MIN || header->offset > OFFSET_MAX) {
        return false;
    }
    const unsigned lowest = dk_dred_sends_qmax(header->q0, header->dq) ? header->q0 + 1u : 15u;
    return header->qmax >= lowest && header->qmax <= 15;
}
