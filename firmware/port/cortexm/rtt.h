// SPDX-License-Identifier: BSD-3-Clause
// A byte stream through memory that a debug probe reads and writes while the core runs: the control
// block of SEGGER's Real Time Transfer (RTT), with one ring in each direction. SEGGER UM08001,
// "RTT", describes the block; J-Link, pyOCD and openocd find it by its first 16 bytes. The caller
// owns all memory. Each offset has one writer: a ring's writer moves `write`, its reader `read`.
//
// The block must lie in memory that is not cached, or whose cache the probe looks through. A probe
// that reaches the memory through the core, as on every Cortex-M, does.
#ifndef DREDKIT_CORTEXM_RTT_H
#define DREDKIT_CORTEXM_RTT_H

#include <stdbool.h>
#include <stdint.h>

// Fences by the compiler's own names: clang cannot read newlib's stdatomic.h.
#define DK_RTT_RELEASE() __atomic_thread_fence(__ATOMIC_RELEASE)
#define DK_RTT_ACQUIRE() __atomic_thread_fence(__ATOMIC_ACQUIRE)

#define DK_RTT_BLOCK_WHEN_FULL 2u  // the mode of a ring that loses nothing

// A ring. Addresses have 32 bits, whatever the core. A ring of `bytes` bytes holds one less: equal
// offsets mean that it is empty.
typedef struct {
    uint32_t name;    // address of a text that ends in a zero byte
    uint32_t memory;  // address of its bytes
    uint32_t bytes;
    volatile uint32_t write;  // offset of the next byte that its writer puts
    volatile uint32_t read;   // offset of the next byte that its reader takes
    uint32_t mode;
} dk_rtt_ring;

typedef struct {
    volatile uint8_t id[16];
    uint32_t up_count;
    uint32_t down_count;
    dk_rtt_ring up;    // core to host
    dk_rtt_ring down;  // host to core
} dk_rtt_block;

// Set up a ring over the `bytes` bytes at `memory`, empty.
static inline void dk_rtt_ring_init(dk_rtt_ring *ring, const char *name, const uint8_t *memory,
                                    uint32_t bytes)
{
    ring->name = (uint32_t)(uintptr_t)name;
    ring->memory = (uint32_t)(uintptr_t)memory;
    ring->bytes = bytes;
    ring->write = 0;
    ring->read = 0;
    ring->mode = DK_RTT_BLOCK_WHEN_FULL;
}

// Make the block visible to probes. Call this after both rings are set up. The name is written byte
// by byte from its end, so that no probe sees it before it is whole, and so that no copy of it lies
// in the image, where a probe would find it too.
static inline void dk_rtt_show(dk_rtt_block *block)
{
    block->up_count = 1;
    block->down_count = 1;
    DK_RTT_RELEASE();
    for (uint32_t i = 10; i < sizeof block->id; i++) {
        block->id[i] = 0;
    }
    block->id[9] = 'T';
    block->id[8] = 'T';
    block->id[7] = 'R';
    block->id[6] = ' ';
    block->id[5] = 'R';
    block->id[4] = 'E';
    block->id[3] = 'G';
    block->id[2] = 'G';
    block->id[1] = 'E';
    block->id[0] = 'S';
    DK_RTT_RELEASE();
}

static inline uint32_t dk_rtt_after(const dk_rtt_ring *ring, uint32_t offset)
{
    return offset + 1u < ring->bytes ? offset + 1u : 0u;
}

// Put a byte into a ring of the block. Returns false if the ring is full.
static inline bool dk_rtt_put(dk_rtt_ring *ring, uint8_t byte)
{
    uint32_t write = ring->write;
    uint32_t next = dk_rtt_after(ring, write);
    if (next == ring->read) {
        return false;
    }
    ((volatile uint8_t *)(uintptr_t)ring->memory)[write] = byte;
    DK_RTT_RELEASE();  // the host sees the byte before the offset
    ring->write = next;
    return true;
}

// Take a byte from a ring of the block. Returns false if the ring is empty, and if the host has
// written an offset that is none.
static inline bool dk_rtt_take(dk_rtt_ring *ring, uint8_t *byte)
{
    uint32_t read = ring->read;
    uint32_t write = ring->write;
    if (read == write || write >= ring->bytes) {
        return false;
    }
    DK_RTT_ACQUIRE();
    *byte = ((const volatile uint8_t *)(uintptr_t)ring->memory)[read];
    DK_RTT_RELEASE();  // the byte is read before the host may overwrite it
    ring->read = dk_rtt_after(ring, read);
    return true;
}

#endif
