// SPDX-License-Identifier: BSD-3-Clause
// The memory protection unit and the caches of a Cortex-M7, M55 or M85 (Arm DDI 0403 B3.5 and B2.2
// for Armv7-M, DDI 0553 B10 and B8 for Armv8-M). board.h has a region for each memory of the TOML:
// its first address, its bytes and what it is. Everything else, such as devices, keeps the
// attributes of the default map.
#include "board.h"
#include "core.h"
#include "drivers.h"

#ifdef DK_BOARD_REGIONS
typedef struct {
    uint32_t start;
    uint32_t bytes;
    uint32_t kind;
} region;

static const region regions[] = {DK_BOARD_REGIONS};

#if __ARM_ARCH >= 8
#define NORMAL_WRITE_BACK 0xFFu  // attribute 0; reads and writes allocate
#define EXECUTE_NEVER 1u
#define READ_ONLY (3u << 1)
#define REGION_ON 1u

static void set_region(const region *r)
{
    DK_MPU_MAIR0 = NORMAL_WRITE_BACK;
    DK_MPU_RBAR = r->start | (r->kind == DK_REGION_CODE ? READ_ONLY : EXECUTE_NEVER);
    DK_MPU_RLAR = ((r->start + r->bytes - 1u) & ~31u) | REGION_ON;
}
#else
#define NORMAL_WRITE_BACK ((1u << 19) | (3u << 16))  // TEX 1, C, B: reads and writes allocate
#define EXECUTE_NEVER (1u << 28)
#define READ_WRITE (3u << 24)
#define READ_ONLY (6u << 24)
#define REGION_ON 1u

static void set_region(const region *r)
{
    uint32_t size = 0;
    while (2u << size < r->bytes) {
        size++;
    }
    // No access at all, and strongly ordered: nothing is read ahead either.
    uint32_t rights = EXECUTE_NEVER;
    if (r->kind == DK_REGION_CODE) {
        rights = READ_ONLY | NORMAL_WRITE_BACK;
    } else if (r->kind == DK_REGION_DATA) {
        rights = READ_WRITE | EXECUTE_NEVER | NORMAL_WRITE_BACK;
    }
    DK_MPU_RBAR = r->start;
    DK_MPU_RASR = rights | (size << 1) | REGION_ON;
}
#endif

static void protect(void)
{
    DK_MPU_CTRL = 0;
    for (uint32_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        DK_MPU_RNR = i;
        set_region(&regions[i]);
    }
    DK_MPU_CTRL = DK_MPU_ON;
    dk_core_sync();
}

// The data cache holds anything after reset: invalidate it line by line.
static void forget_data(void)
{
    DK_SCB_CSSELR = 0;  // the data cache of level 1
    dk_core_sync();
    uint32_t size = DK_SCB_CCSIDR;
    uint32_t sets = ((size >> 13) & 0x7FFFu) + 1u;
    uint32_t ways = ((size >> 3) & 0x3FFu) + 1u;
    uint32_t line_bits = (size & 7u) + 4u;
    uint32_t way_bits = 0;
    while (1u << way_bits < ways) {
        way_bits++;
    }
    for (uint32_t set = 0; set < sets; set++) {
        for (uint32_t way = 0; way < ways; way++) {
            DK_SCB_DCISW = (set << line_bits) | (way_bits ? way << (32u - way_bits) : 0u);
        }
    }
    dk_core_sync();
}
#endif

void dk_core_memory(void)
{
#ifdef DK_BOARD_REGIONS
    protect();
    DK_SCB_ICIALLU = 0;
    forget_data();
    DK_SCB_CCR |= DK_CCR_IC | DK_CCR_DC;
    dk_core_sync();
#endif
}
