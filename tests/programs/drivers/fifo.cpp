// SPDX-License-Identifier: BSD-3-Clause
// A UART that receives into a FIFO of DEPTH bytes, as its manual describes it: an STM32's USART
// with or without FIFOs, the i.MX RT's LPUART, a SAM's USART, or a PL011, Ambiq's too. After an
// overrun the STM32 asks for interrupts and the LPUART receives nothing, until the flag is cleared.
#include <deque>
#include <map>

#include "board.h"
#include "model.h"

static std::map<uint32_t, uint32_t> cells;
static std::deque<uint8_t> fifo;
static bool overrun;
static int out = -1;

#ifdef MODEL_LPUART
constexpr bool STOPS = true;  // at an overrun
#else
constexpr bool STOPS = false;
#endif

static uint32_t &at(uint32_t offset)
{
    return cells[DK_BOARD_UART_BASE + offset];
}

#if defined(MODEL_STM32)
#ifdef MODEL_FIFO
enum : uint32_t { DEPTH = 16, CONTROL = 0x2000002D };  // FIFOs, receive interrupt, all on
#else
enum : uint32_t { DEPTH = 1, CONTROL = 0x0000002D };
#endif
enum : uint32_t { STATE = 0x1C, CLEAR = 0x20, IN = 0x24, OUT = 0x28, OVERRUN = 1u << 3 };
static bool is_on()
{
    return at(0) == CONTROL;
}
static uint32_t state()
{
    return 1u << 7 | (fifo.empty() ? 0u : 1u << 5) | (overrun ? +OVERRUN : 0u);
}
static bool clears(uint32_t offset, uint32_t value)
{
    return offset == CLEAR && value & OVERRUN;
}
static bool asks()
{
    return !fifo.empty() || overrun;
}
static double divisor()
{
    return at(0x0C);
}
#elif defined(MODEL_LPUART)
enum : uint32_t { DEPTH = 4, STATE = 0x14, IN = 0x1C, OUT = 0x1C, OVERRUN = 1u << 19 };
static bool is_on()
{
    return at(0x18) == 0x2C0000 && at(0x28) & 8u && at(0x2C) == 0;
}
static uint32_t state()
{
    return 1u << 23 | (fifo.empty() ? 0u : 1u << 21) | (overrun ? +OVERRUN : 0u);
}
static bool clears(uint32_t offset, uint32_t value)
{
    return offset == STATE && value & OVERRUN;
}
static bool asks()
{
    return !fifo.empty();
}
static double divisor()
{
    return ((at(0x10) >> 24 & 31u) + 1.0) * (at(0x10) & 0x1FFFu);
}
#elif defined(MODEL_SAM)
enum : uint32_t { DEPTH = 1, STATE = 0x14, IN = 0x18, OUT = 0x1C, OVERRUN = 1u << 5 };
enum : uint32_t { ENABLE = 0x50, DISABLE = 0xA0, CLEAR_ERRORS = 0x100 };
static bool enabled;
static bool is_on()
{
    return enabled && at(0x04) == 0x8C0 && at(0x08) == 1;
}
static uint32_t state()
{
    return 2u | (fifo.empty() ? 0u : 1u) | (overrun ? +OVERRUN : 0u);
}
static bool clears(uint32_t offset, uint32_t value)
{
    if (offset == 0) {
        enabled = (enabled || (value & ENABLE) == ENABLE) && !(value & DISABLE);
    }
    return offset == 0 && value & CLEAR_ERRORS;
}
static bool asks()
{
    return !fifo.empty();
}
static double divisor()
{
    return 16.0 * ((at(0x20) & 0xFFFFu) + (at(0x20) >> 16 & 7u) / 8.0);
}
#elif defined(MODEL_PL011)
#ifdef MODEL_FIFO
enum : uint32_t { DEPTH = 32, FORMAT = 0x70, INTERRUPTS = 0x50 };
#else
enum : uint32_t { DEPTH = 1, FORMAT = 0x60, INTERRUPTS = 0x10 };
#endif
#ifdef MODEL_AMBIQ
enum : uint32_t { CLOCK = 0x18 };
#else
enum : uint32_t { CLOCK = 0 };
#endif
enum : uint32_t { STATE = 0x18, IN = 0x00, OUT = 0x00, OVERRUN = 0 };
static bool is_on()
{
    return at(0x30) == (0x301 | CLOCK) && at(0x2C) == FORMAT && at(0x38) == INTERRUPTS;
}
static uint32_t state()
{
    return fifo.empty() ? 1u << 4 : 0;
}
static bool clears(uint32_t, uint32_t)
{
    return true;
}
static bool asks()
{
    return !fifo.empty();
}
static double divisor()
{
    return 16.0 * (at(0x24) + at(0x28) / 64.0);
}
#endif

void model_access()
{
}

uint32_t model_read(uint32_t address)
{
    const uint32_t offset = address - DK_BOARD_UART_BASE;
    if (offset == IN && !fifo.empty()) {
        const uint8_t byte = fifo.front();
        fifo.pop_front();
        return byte;
    }
    return offset == STATE ? state() : at(offset);
}

void model_write(uint32_t address, uint32_t value)
{
    const uint32_t offset = address - DK_BOARD_UART_BASE;
    if (offset == OUT && is_on()) {
        out = static_cast<int>(value & 0xFFu);
    } else if (clears(offset, value)) {
        overrun = false;
        at(offset) = value;
    } else {
        at(offset) = value;
    }
}

bool model_receive(uint8_t byte)
{
    if (!is_on() || fifo.size() == DEPTH || (STOPS && overrun)) {
        overrun = is_on();
        return false;
    }
    fifo.push_back(byte);
    return true;
}

bool model_interrupts()
{
    return is_on() && asks();
}

int model_sent()
{
    const int byte = out;
    out = -1;
    return byte;
}

double model_rate(double clock)
{
    return clock / divisor();
}
