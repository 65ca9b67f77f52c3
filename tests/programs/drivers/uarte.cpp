// SPDX-License-Identifier: BSD-3-Clause
// Nordic's UARTE with its timer and DPPI, as the product specification describes them: the pointer
// is taken over when a reception starts; a byte reaches RAM some time after RXDRDY.
#include <deque>
#include <map>

#include "model.h"

#ifdef MODEL_NRF54
enum : uint32_t { UARTE = 0x500C6000, TIMER = 0x500CA000, DPPIC = 0x500C2000 };
enum : uint32_t {
    STARTRX = 0x28,
    STARTTX = 0x50,
    RXDRDY = 0x110,
    RXSTARTED = 0x150,
    ENDTX = 0x168
};
enum : uint32_t { PUBLISH = 0x190, RX_PTR = 0x704, RX_MAX = 0x708, TX_PTR = 0x73C, TX_MAX = 0x740 };
enum : uint32_t { INT_RXDRDY = 1u << 4 };
#else
enum : uint32_t { UARTE = 0x50008000, TIMER = 0x5000F000, DPPIC = 0x50017000 };
enum : uint32_t {
    STARTRX = 0x00,
    STARTTX = 0x08,
    RXDRDY = 0x108,
    RXSTARTED = 0x14C,
    ENDTX = 0x120
};
enum : uint32_t { PUBLISH = 0x188, RX_PTR = 0x534, RX_MAX = 0x538, TX_PTR = 0x544, TX_MAX = 0x548 };
enum : uint32_t { INT_RXDRDY = 1u << 2 };
#endif
enum : uint32_t { SHORTS = 0x200, INTENSET = 0x304, ENABLE = 0x500, BAUDRATE = 0x524 };
enum : uint32_t { START = 0x00, CLEAR = 0x0C, CAPTURE = 0x40, SUBSCRIBE = 0x88, MODE = 0x504 };
enum : uint32_t { CC = 0x540, CHENSET = 0x504 };
enum : uint32_t { END_STARTS_RX = 1u << 5, ENABLED = 8, ON = 1u << 31 };

constexpr uint32_t TRANSFER = 20;  // accesses to registers while a byte goes to RAM

struct Transfer {
    uint8_t *to;
    uint8_t byte;
    uint32_t due;
};

static std::map<uint32_t, uint32_t> cells;
static std::deque<Transfer> transfers;
static bool receiving, counting;
static uint8_t *into;
static uint32_t room, count, accesses;
static int out = -1;

static uint8_t *in_ram(uint32_t address)
{
    return reinterpret_cast<uint8_t *>(static_cast<uintptr_t>(address));  // linked below 4 GB
}

static bool counts_bytes()
{
    const uint32_t channel = cells[UARTE + PUBLISH];
    return counting && cells[TIMER + MODE] == 1 && channel & ON &&
           cells[TIMER + SUBSCRIBE] == channel && cells[DPPIC + CHENSET] >> (channel & 31u) & 1u;
}

static void start_reception()
{
    receiving = true;
    into = in_ram(cells[UARTE + RX_PTR]);
    room = cells[UARTE + RX_MAX];
    cells[UARTE + RXSTARTED] = 1;
}

void model_access()
{
    accesses++;
    while (!transfers.empty() && transfers.front().due <= accesses) {
        *transfers.front().to = transfers.front().byte;
        transfers.pop_front();
    }
}

uint32_t model_read(uint32_t address)
{
    return cells[address];
}

void model_write(uint32_t address, uint32_t value)
{
    const bool on = cells[UARTE + ENABLE] == ENABLED;
    cells[address] = value;
    if (address == UARTE + STARTRX && on) {
        start_reception();
    } else if (address == UARTE + STARTTX && on && cells[UARTE + TX_MAX] == 1) {
        out = *in_ram(cells[UARTE + TX_PTR]);
        cells[UARTE + ENDTX] = 1;
    } else if (address == TIMER + START) {
        counting = true;
    } else if (address == TIMER + CLEAR) {
        count = 0;
    } else if (address == TIMER + CAPTURE) {
        cells[TIMER + CC] = count;
    }
}

bool model_receive(uint8_t byte)
{
    if (!receiving) {
        return false;
    }
    // By the time of the next byte, earlier transfers have long ended.
    accesses += 10 * TRANSFER;
    model_access();
    transfers.push_back({into++, byte, accesses + TRANSFER});
    cells[UARTE + RXDRDY] = 1;
    count += counts_bytes();
    if (--room == 0) {
        receiving = false;
        if (cells[UARTE + SHORTS] & END_STARTS_RX) {
            start_reception();
        }
    }
    return true;
}

bool model_interrupts()
{
    return cells[UARTE + RXDRDY] && cells[UARTE + INTENSET] & INT_RXDRDY;
}

int model_sent()
{
    const int byte = out;
    out = -1;
    return byte;
}

double model_rate(double)
{
    return cells[UARTE + BAUDRATE] * 16e6 / 4294967296.0;
}
