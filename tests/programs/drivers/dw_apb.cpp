// SPDX-License-Identifier: BSD-3-Clause
// Synopsys' DW_apb_uart with its FIFOs. While DLAB is set, the first two registers are the divisor.
#include <deque>
#include <map>

#include "board.h"
#include "model.h"

enum : uint32_t { DATA = 0x00, IER = 0x04, FCR = 0x08, LCR = 0x0C, LSR = 0x14, USR = 0x7C };
enum : uint32_t { DLF = 0xC0, DLAB = 0x80, DEPTH = 32 };
enum : uint32_t { RECEIVED = 1, FIFOS_AT_ONE = 0x07, FORMAT = 0x03, OVERRUN = 2, ROOM = 2 };

static std::map<uint32_t, uint32_t> cells;  // by offset
static uint32_t divisor_low, divisor_high;
static std::deque<uint8_t> fifo;
static bool overrun;
static int out = -1;

static bool is_on()
{
    return cells[LCR] == FORMAT && cells[FCR] == FIFOS_AT_ONE && cells[IER] == RECEIVED;
}

void model_access()
{
}

uint32_t model_read(uint32_t address)
{
    const uint32_t offset = address - DK_BOARD_UART_BASE;
    if (offset == DATA && !fifo.empty()) {
        const uint8_t byte = fifo.front();
        fifo.pop_front();
        return byte;
    }
    if (offset == LSR) {
        const uint32_t state = (fifo.empty() ? 0u : 1u) | (overrun ? +OVERRUN : 0u);
        overrun = false;
        return state;
    }
    return offset == USR ? +ROOM : cells[offset];
}

void model_write(uint32_t address, uint32_t value)
{
    const uint32_t offset = address - DK_BOARD_UART_BASE;
    if (cells[LCR] & DLAB && offset == DATA) {
        divisor_low = value & 0xFFu;
    } else if (cells[LCR] & DLAB && offset == IER) {
        divisor_high = value & 0xFFu;
    } else if (offset == DATA) {
        out = is_on() ? static_cast<int>(value & 0xFFu) : -1;
    } else {
        cells[offset] = value;
    }
}

bool model_receive(uint8_t byte)
{
    if (!is_on() || fifo.size() == DEPTH) {
        overrun = is_on();
        return false;
    }
    fifo.push_back(byte);
    return true;
}

bool model_interrupts()
{
    return is_on() && !fifo.empty();
}

int model_sent()
{
    const int byte = out;
    out = -1;
    return byte;
}

double model_rate(double clock)
{
    return clock / (16.0 * (divisor_high * 256u + divisor_low) + cells[DLF]);
}
