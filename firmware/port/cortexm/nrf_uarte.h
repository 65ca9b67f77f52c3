// SPDX-License-Identifier: BSD-3-Clause
// The driver of Nordic's UARTE (nRF5340 Product Specification, "UARTE"; nRF54L15 datasheet,
// "UARTE"). The file that includes this header defines the registers, which have other places on
// the two, and TIMER and DPPIC with the addresses of a timer and of the DPPI of the same domain.
//
// EasyDMA writes what is received into two halves of a ring, one after the other: while one is
// filled, the pointer to the other is already set, so the device goes over to it by itself. The
// device does not say how far it has got within a half. So a timer counts its RXDRDY events, which
// come once a byte. An interrupt may be late by almost HALF bytes, 0.6 ms at 1 Mbaud, before
// anything is lost.
//
// RXDRDY may come before the byte has been written to RAM. So every place of the ring that is not
// received yet holds FILLER. A place that still holds it is looked at again, WAITS times with an
// access to the bus in between; then the byte received is FILLER itself.
#include "board.h"
#include "core.h"
#include "drivers.h"

#define HALF 64u
#define FILLER 0xA5u
#define WAITS 32u  // about 2 us: several times as long as a transfer of one byte

#define TIMER_START DK_REG(TIMER + 0x000u)
#define TIMER_CLEAR DK_REG(TIMER + 0x00Cu)
#define TIMER_CAPTURE DK_REG(TIMER + 0x040u)
#define TIMER_SUBSCRIBE_COUNT DK_REG(TIMER + 0x088u)
#define TIMER_MODE DK_REG(TIMER + 0x504u)
#define TIMER_BITMODE DK_REG(TIMER + 0x508u)
#define TIMER_CC DK_REG(TIMER + 0x540u)
#define DPPIC_CHENSET DK_REG(DPPIC + 0x504u)

#define TIMER_COUNTER 1u
#define TIMER_32_BITS 3u
#define CHANNEL 0u
#define ON_CHANNEL ((1u << 31) | CHANNEL)
#define UARTE_ENABLE 8u
#define END_STARTS_NEXT (1u << 5)  // SHORTS: the end of one half starts the other

// The rates that the specification lists; the device makes 1,000,000 and 250,000 exactly, and
// 115,108, 231,884 and 457,143.
#if DK_BOARD_UART_BAUD == 1000000
#define RATE 0x10000000u
#elif DK_BOARD_UART_BAUD == 460800
#define RATE 0x07400000u
#elif DK_BOARD_UART_BAUD == 250000
#define RATE 0x04000000u
#elif DK_BOARD_UART_BAUD == 230400
#define RATE 0x03B00000u
#elif DK_BOARD_UART_BAUD == 115200
#define RATE 0x01D60000u
#else
#error "uart.baud: the UARTE makes 115200, 230400, 250000, 460800 and 1000000"
#endif

static volatile uint8_t ring[2u * HALF];
static uint32_t taken;        // bytes so far
static uint32_t next_half;    // which half the device gets next
static volatile uint8_t out;  // EasyDMA reads it
static bool sending;

static uint32_t address_of(const volatile uint8_t *byte)
{
    return (uint32_t)(uintptr_t)byte;
}

static void count_received_bytes(void)
{
    TIMER_MODE = TIMER_COUNTER;
    TIMER_BITMODE = TIMER_32_BITS;
    TIMER_CLEAR = 1u;
    TIMER_START = 1u;
    PUBLISH_RXDRDY = ON_CHANNEL;
    TIMER_SUBSCRIBE_COUNT = ON_CHANNEL;
    DPPIC_CHENSET = 1u << CHANNEL;
}

// If the device has gone over to a half, give it the other for later.
static void give_half(void)
{
    if (EVENTS_RXSTARTED) {
        EVENTS_RXSTARTED = 0;
        RX_PTR = address_of(&ring[next_half * HALF]);
        next_half ^= 1u;
    }
}

void dk_uart_init(void)
{
    UARTE(0x500u) = 0;
    UARTE(0x524u) = RATE;
    // 8 bits, no parity, one stop bit, no flow control: CONFIG as it is after reset.
    count_received_bytes();
    for (uint32_t i = 0; i < sizeof ring; i++) {
        ring[i] = FILLER;
    }
    RX_PTR = address_of(ring);
    RX_MAXCNT = HALF;
    next_half = 1u;
    SHORTS = END_STARTS_NEXT;
    INTENSET = INT_RXDRDY;
    UARTE(0x500u) = UARTE_ENABLE;
    TASKS_STARTRX = 1u;
}

bool dk_uart_receive(uint8_t *byte)
{
    // Clear before counting: a byte that arrives in between raises the interrupt again.
    EVENTS_RXDRDY = 0;
    (void)EVENTS_RXDRDY;  // the write has arrived
    give_half();
    TIMER_CAPTURE = 1u;
    if (TIMER_CC == taken) {
        return false;
    }
    volatile uint8_t *place = &ring[taken % sizeof ring];
    for (uint32_t i = 0; i < WAITS && *place == FILLER; i++) {
        (void)EVENTS_RXDRDY;
    }
    *byte = *place;
    *place = FILLER;
    taken++;
    return true;
}

bool dk_uart_transmit(uint8_t byte)
{
    if (sending && !EVENTS_ENDTX) {
        return false;
    }
    EVENTS_ENDTX = 0;
    out = byte;
    TX_PTR = address_of(&out);
    TX_MAXCNT = 1u;
    TASKS_STARTTX = 1u;
    sending = true;
    return true;
}
