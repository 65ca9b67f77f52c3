// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer target for the server and the frame decoder: any bytes, and sound frames with any
// content. The input is a list of records: a kind, a length, and so many bytes. The bytes arrive as
// they are (even kinds) or in a frame with a right CRC (odd kinds: type, sequence, payload). The
// server must answer with sound frames only. If the kind asks for it, the payload starts with the
// open session's number, which chance would never find.
#include <stdlib.h>
#include <string.h>

#include "dredkit/link.h"
#include "dredkit/port.h"
#include "dredkit/server.h"

#define ROOM (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t arriving[ROOM];
static size_t arriving_count, arriving_at;
static uint8_t answer_buffer[DK_WIRE_MAXIMUM_PAYLOAD + 64u];
static dk_frame_decoder answers;
static uint32_t ticks;

void dk_port_init(void)
{
}

uint32_t dk_port_ticks(void)
{
    return ticks += 1000u;
}

bool dk_port_ticks_are_cycles(void)
{
    return false;
}

uint32_t dk_port_isr_ticks(void)
{
    return 0;
}

uint32_t dk_port_work_ticks(void)
{
    return dk_port_ticks();
}

void dk_port_idle(void)
{
}

uint32_t dk_port_rx_dropped(void)
{
    return 0;
}

void dk_port_mark(bool running)
{
    (void)running;
}

uint32_t dk_port_stack_peak(void)
{
    return 0;
}

const uint8_t *dk_port_build_id(void)
{
    static const uint8_t id[DK_PORT_BUILD_ID_BYTES] = {1, 2, 3};
    return id;
}

size_t dk_port_read(uint8_t *bytes, size_t capacity)
{
    size_t left = arriving_count - arriving_at;
    size_t count = left < capacity ? left : capacity;
    memcpy(bytes, arriving + arriving_at, count);
    arriving_at += count;
    return count;
}

void dk_port_write(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        dk_frame frame;
        if (dk_frame_push(&answers, bytes[i], &frame) < 0) {
            abort();
        }
    }
}

static void arrive(const uint8_t *bytes, size_t count)
{
    size_t room = ROOM - arriving_count;
    size_t now = count < room ? count : room;
    if (now > 0) {
        memcpy(arriving + arriving_count, bytes, now);
    }
    arriving_count += now;
}

static void arrive_framed(uint8_t kind, const uint8_t *bytes, size_t count)
{
    static const uint8_t session[4] = {1, 1, 1, 1};
    dk_frame_writer writer;
    uint16_t length = (uint16_t)(count > 3 ? count - 3u : 0u);
    uint8_t payload[UINT8_MAX];
    if (count < 3) {
        return;
    }
    memcpy(payload, bytes + 3, length);
    if ((kind & 2u) != 0 && length >= sizeof session) {
        memcpy(payload, session, sizeof session);
    }
    dk_frame_begin(&writer, arrive, bytes[0], dk_wire_get_u16(bytes + 1), length);
    dk_frame_put(&writer, payload, length);
    dk_frame_end(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dk_frame_decoder_init(&answers, answer_buffer, sizeof answer_buffer);
    arriving_count = arriving_at = 0;
    while (size >= 2) {
        size_t count = data[1] < size - 2 ? data[1] : size - 2;
        if ((data[0] & 1u) != 0) {
            arrive_framed(data[0], data + 2, count);
        } else {
            arrive(data + 2, count);
        }
        data += 2 + count;
        size -= 2 + count;
    }
    dk_server_poll();
    return 0;
}
