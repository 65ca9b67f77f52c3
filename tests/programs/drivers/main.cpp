// SPDX-License-Identifier: BSD-3-Clause
// Runs a UART driver against the model of its device. Usage: LATE BYTES. Once LATE further bytes
// have come since the device asked for an interrupt, the interrupt is served. Writes one line:
// bytes received, wrong ones, those that the device refused, those left without an interrupt, bytes
// sent wrongly, the rate in bits a second.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "board.h"
#include "drivers.h"
#include "model.h"

static std::vector<uint8_t> expected;
static size_t received, wrong;

void dk_uart_isr()
{
    uint8_t byte;
    while (dk_uart_receive(&byte)) {
        wrong += received >= expected.size() || byte != expected[received];
        received++;
    }
}

static uint32_t next_random()
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static size_t send_all(size_t bytes)
{
    size_t bad = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = static_cast<uint8_t>(next_random());
        while (!dk_uart_transmit(byte)) {
        }
        bad += model_sent() != byte;
    }
    return bad;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    const size_t late = strtoul(argv[1], nullptr, 10);
    const size_t bytes = strtoul(argv[2], nullptr, 10);
    size_t refused = 0;
    size_t waiting = 0;
    dk_uart_isr();  // port.c does this before the device is on
    dk_uart_init();
    for (size_t i = 0; i < bytes; i++) {
        // A quarter of the bytes has one value: no value may mean "nothing came".
        const uint32_t random = next_random();
        const uint8_t byte = random & 3u ? static_cast<uint8_t>(random >> 8) : uint8_t{0xA5};
        if (model_receive(byte)) {
            expected.push_back(byte);
        } else {
            refused++;
        }
        if (model_interrupts() && ++waiting > late) {
            dk_uart_isr();
            waiting = 0;
        }
    }
    if (model_interrupts()) {
        dk_uart_isr();
    }
    const size_t left = expected.size() - received;
    const size_t bad = send_all(300);
    printf("%zu %zu %zu %zu %zu %.0f\n", received, wrong, refused, left, bad,
           model_rate(DK_BOARD_UART_CLOCK_HZ));
    return 0;
}
