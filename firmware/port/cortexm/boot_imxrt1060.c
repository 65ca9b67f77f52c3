// SPDX-License-Identifier: BSD-3-Clause
// What the boot ROM of an i.MX RT1062 reads at the start of a serial NOR flash on FlexSPI (NXP
// IMXRT1060RM, chapter "System Boot": "FlexSPI NOR configuration block", "Image vector table",
// "Boot data"): at 0 how to read the flash, at 0x1000 where the program is. The flash is read by
// the command 0xEB, with four wires, as those on the MIMXRT1060-EVKB (IS25WP064) and on the
// Teensy 4.1 (W25Q64) can after they left the factory.
#include <assert.h>

#include "board.h"
#include "drivers.h"

#define IVT_OFFSET 0x1000u
#define TAG 0x42464346u      // "FCFB"
#define VERSION 0x56010000u  // "V", 1.0.0
#define FROM_DQS_PAD 1u      // the clock that samples the data comes back through the DQS pad
#define HOLD_TIME 3u
#define SETUP_TIME 3u
#define SERIAL_NOR 1u
#define FOUR_PADS 4u
#define CLOCK_100_MHZ 6u  // of the RT1060's codes
#define PAGE_BYTES 256u
#define SECTOR_BYTES 4096u
#define BLOCK_BYTES 65536u
#define CLOCK_30_MHZ 1u

// Two instructions of FlexSPI a word: operation, the number of pads as a power of two, operand.
#define STEP(operation, pads, operand) (((operation) << 10) | ((pads) << 8) | (operand))
#define STEPS(first, second) ((first) | ((second) << 16))
#define CMD 1u
#define ADDRESS 2u
#define MODE 7u
#define READ 9u
#define DUMMY 12u
#define ONE_PAD 0u
#define QUAD 2u

#define IVT_HEADER 0x432000D1u  // tag 0xD1, 32 bytes, version 4.3

typedef struct {
    uint32_t tag;
    uint32_t version;
    uint32_t reserved_0;
    uint8_t sample_clock;
    uint8_t hold_time;
    uint8_t setup_time;
    uint8_t column_width;
    uint32_t device_mode[12];
    uint32_t controller_options;
    uint8_t device_type;
    uint8_t pads;
    uint8_t clock;
    uint8_t own_lut;
    uint32_t reserved_1[2];
    uint32_t bytes_a1;
    uint32_t bytes_others[3];
    uint32_t pad_settings[4];
    uint32_t times[4];
    uint32_t lut[64];
    uint32_t lut_sequences[12];
    uint32_t reserved_2[4];
    uint32_t page_bytes;
    uint32_t sector_bytes;
    uint8_t command_clock;
    uint8_t is_uniform;
    uint8_t reserved_3[2];
    uint32_t reserved_4;
    uint32_t block_bytes;
    uint32_t reserved_5[11];
} flash_configuration;
static_assert(sizeof(flash_configuration) == 512u, "the block has 512 bytes");
static_assert(offsetof(flash_configuration, bytes_a1) == 0x50u, "sflashA1Size");
static_assert(offsetof(flash_configuration, lut) == 0x80u, "lookupTable");
static_assert(offsetof(flash_configuration, page_bytes) == 0x1C0u, "pageSize");

typedef struct {
    uint32_t header;
    const void *entry;  // the vector table
    uint32_t reserved_0;
    uint32_t device_configuration;  // none
    const void *boot_data;
    const void *self;
    uint32_t command_sequence;  // none: the image is not signed
    uint32_t reserved_1;
} image_vector_table;

typedef struct {
    uint32_t start;
    uint32_t bytes;
    uint32_t is_plugin;
} boot_data;

typedef struct {
    flash_configuration configuration;
    uint8_t unused[IVT_OFFSET - sizeof(flash_configuration)];
    image_vector_table table;
    boot_data data;
} boot_block;
static_assert(offsetof(boot_block, table) == IVT_OFFSET, "where the boot ROM looks");

extern const uint32_t dk_vectors[];

#define FLASH_BYTES 0x800000u  // of both boards' chips
#define IMAGE_BYTES (DK_BOARD_FLASH_ORIGIN + DK_BOARD_FLASH_BYTES - DK_BOARD_BOOT_ORIGIN)
static_assert(IMAGE_BYTES <= FLASH_BYTES, "the flash has 8 MB");

__attribute__((section(".boot"), used)) static const boot_block block = {
    .configuration =
        {
            .tag = TAG,
            .version = VERSION,
            .sample_clock = FROM_DQS_PAD,
            .hold_time = HOLD_TIME,
            .setup_time = SETUP_TIME,
            .device_type = SERIAL_NOR,
            .pads = FOUR_PADS,
            .clock = CLOCK_100_MHZ,
            .bytes_a1 = FLASH_BYTES,
            .lut =
                {
                    STEPS(STEP(CMD, ONE_PAD, 0xEBu), STEP(ADDRESS, QUAD, 24u)),
                    STEPS(STEP(MODE, QUAD, 0xFFu), STEP(DUMMY, QUAD, 4u)),
                    STEPS(STEP(READ, QUAD, 4u), 0u),
                },
            .page_bytes = PAGE_BYTES,
            .sector_bytes = SECTOR_BYTES,
            .command_clock = CLOCK_30_MHZ,
            .block_bytes = BLOCK_BYTES,
        },
    .table =
        {
            .header = IVT_HEADER,
            .entry = dk_vectors,
            .boot_data = &block.data,
            .self = &block.table,
        },
    .data = {.start = DK_BOARD_BOOT_ORIGIN, .bytes = IMAGE_BYTES},
};
