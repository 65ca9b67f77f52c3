// SPDX-License-Identifier: BSD-3-Clause
// The entropy tables of a blob.
#include "weights/blob.h"

// The range coder cannot code an element that is sent and never zero.
static bool can_code(const uint8_t *decay, const uint8_t *p_zero, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (dk_dred_is_sent(decay[i], p_zero[i]) && p_zero[i] == 0) {
            return false;
        }
    }
    return true;
}

const dk_dred_tables *dk_blob_entropy(dk_blob *blob)
{
    const dk_dred_tables *tables = (const dk_dred_tables *)dk_blob_table(blob, sizeof *tables);
    if (tables == NULL) {
        return NULL;
    }
    if (!can_code(tables->latents[DK_DRED_DECAY][0], tables->latents[DK_DRED_P_ZERO][0],
                  sizeof tables->latents[0]) ||
        !can_code(tables->states[DK_DRED_DECAY][0], tables->states[DK_DRED_P_ZERO][0],
                  sizeof tables->states[0])) {
        dk_blob_refuse(blob, DK_ERR_BLOB_VALUE);
        return NULL;
    }
    return tables;
}
