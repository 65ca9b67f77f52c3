// SPDX-License-Identifier: BSD-3-Clause
// The image definition that the RP2350's boot ROM looks for in the first 4 kB (RP2350 datasheet,
// "Bootrom", "Block" and "IMAGE_DEF"): a Secure program for the Arm cores, whose vector table is at
// the start of the image.
#include "drivers.h"

#define BLOCK_START 0xFFFFDED3u
#define BLOCK_END 0xAB123579u
#define ITEM_IMAGE_TYPE (0x42u | (1u << 8))  // one word
#define IS_EXECUTABLE (1u << 16)
#define IS_SECURE (2u << 20)
#define FOR_RP2350 (1u << 28)          // and for Arm, which is 0
#define ITEM_LAST (0xFFu | (1u << 8))  // one word of items before it
#define NO_OTHER_BLOCK 0u

__attribute__((section(".boot"), used)) static const uint32_t image_definition[] = {
    BLOCK_START, ITEM_IMAGE_TYPE | IS_EXECUTABLE | IS_SECURE | FOR_RP2350,
    ITEM_LAST,   NO_OTHER_BLOCK,
    BLOCK_END,
};
