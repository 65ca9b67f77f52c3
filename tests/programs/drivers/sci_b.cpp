// SPDX-License-Identifier: BSD-3-Clause
// The SCI_B of an RA8 with its FIFOs, as its manual describes it. RDRF rises when the receive FIFO
// reaches its trigger, and again after it was cleared while that still holds. Each rise raises the
// flag of the ICU's slot that the event was linked to; the flag alone asks for an interrupt. After
// an overrun nothing is received until the overrun is cleared.
#include <deque>
#include <map>

#include "board.h"
#include "model.h"

enum : uint32_t { RDR = 0x00, TDR = 0x04, CCR0 = 0x08, CCR2 = 0x10, CCR3 = 0x14, FCR = 0x24 };
enum : uint32_t { CSR = 0x48, FRSR = 0x50, FTSR = 0x54, CFCLR = 0x68 };
enum : uint32_t { ON = 0x10011, FORMAT = 0x109200, DEPTH = 16 };
enum : uint32_t { OVERRUN = 1u << 24, RDRF = 1u << 31, FLAG = 1u << 16, EVENT = 0x163 };
enum : uint32_t { SLOT = 0x40006300 + 4 * DK_BOARD_UART_IRQ };

static std::map<uint32_t, uint32_t> cells = {{SLOT, EVENT}};
static std::deque<uint8_t> fifo;
static bool overrun, full;
static int out = -1;

static uint32_t &at(uint32_t offset)
{
    return cells[DK_BOARD_UART_BASE + offset];
}

static bool is_on()
{
    return at(CCR0) == ON && at(CCR3) == FORMAT && (at(CCR2) & 0x10070) == 0x30;
}

static void raise_if_due()
{
    const uint32_t trigger = at(FCR) >> 16 & 31u;
    if (!full && trigger > 0 && fifo.size() >= trigger) {
        full = true;
        cells[SLOT] |= (cells[SLOT] & 0x1FF) == EVENT ? +FLAG : 0u;
    }
}

void model_access()
{
}

uint32_t model_read(uint32_t address)
{
    switch (address - DK_BOARD_UART_BASE) {
        case RDR: {
            const uint8_t byte = fifo.empty() ? uint8_t{0} : fifo.front();
            if (!fifo.empty()) {
                fifo.pop_front();
            }
            return byte;
        }
        case CSR:
            return (full ? +RDRF : 0u) | (overrun ? +OVERRUN : 0u);
        case FRSR:
            return static_cast<uint32_t>(fifo.size()) << 8;
        case FTSR:
            return 0;
        default:
            return cells[address];
    }
}

void model_write(uint32_t address, uint32_t value)
{
    const uint32_t offset = address - DK_BOARD_UART_BASE;
    if (address == SLOT) {
        cells[SLOT] = value & (cells[SLOT] | ~+FLAG);  // the flag can only be cleared
    } else if (offset == TDR && is_on()) {
        out = static_cast<int>(value & 0xFFu);
    } else if (offset == CFCLR) {
        overrun = overrun && !(value & OVERRUN);
        full = full && !(value & RDRF);
        raise_if_due();
    } else {
        at(offset) = value;
    }
}

bool model_receive(uint8_t byte)
{
    if (!is_on() || fifo.size() == DEPTH || overrun) {
        overrun = is_on();
        return false;
    }
    fifo.push_back(byte);
    raise_if_due();
    return true;
}

bool model_interrupts()
{
    return is_on() && cells[SLOT] & FLAG;
}

int model_sent()
{
    const int byte = out;
    out = -1;
    return byte;
}

double model_rate(double clock)
{
    return clock / (8.0 * ((at(CCR2) >> 8 & 255u) + 1.0));
}
