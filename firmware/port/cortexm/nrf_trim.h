// SPDX-License-Identifier: BSD-3-Clause
// Nordic's trimming values: pairs of an address and a value in FICR, which start-up copies (nRF5340
// Product Specification and nRF54L15 datasheet, "FICR", TRIMCNF).
#ifndef DREDKIT_CORTEXM_NRF_TRIM_H
#define DREDKIT_CORTEXM_NRF_TRIM_H

#include "drivers.h"

static inline void dk_nrf_trim(uint32_t table, uint32_t pairs)
{
    for (uint32_t i = 0; i < pairs; i++) {
        uint32_t address = DK_REG(table + 8u * i);
        if (address == 0u || address == 0xFFFFFFFFu) {
            return;
        }
        DK_REG(address) = DK_REG(table + 8u * i + 4u);
    }
}

#endif
