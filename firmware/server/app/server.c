// SPDX-License-Identifier: BSD-3-Clause
// The serial server. Every request may arrive twice, late, damaged or not at all. So a step runs
// only if it is the next one of the open session. A step that ran recently is answered again from
// memory, bit for bit; any other step is refused. A board that was reset has no session, so it can
// never continue with a state that the host did not build.
#include "dredkit/server.h"

#include <assert.h>
#include <string.h>

#include "dredkit/engine.h"
#include "dredkit/link.h"
#include "dredkit/port.h"

#define WORDS(bytes) (((bytes) + 3u) / 4u + ((bytes) == 0u))  // aligned; never an empty array
#define RX_FRAME (DK_WIRE_HEADER_BYTES + DK_SERVER_RX_PAYLOAD + DK_WIRE_TRAILER_BYTES)
#define READ_AT_ONCE 64u

static_assert(DK_SERVER_RX_PAYLOAD <= DK_WIRE_MAXIMUM_PAYLOAD, "a step does not fit a frame");
static_assert(DK_WIRE_RESULT_BYTES + DK_ENGINE_OUTPUT_BYTES <= DK_WIRE_MAXIMUM_PAYLOAD,
              "a result does not fit a frame");
static_assert(sizeof((dk_wire_board){0}.build_id) == DK_PORT_BUILD_ID_BYTES, "build id");
static_assert(sizeof((dk_wire_board){0}.model_hash) == DK_MODEL_HASH_BYTES, "model hash");
static_assert(DK_SERVER_WINDOW >= 1 && DK_SERVER_WINDOW <= UINT8_MAX, "window");
static_assert(DK_ERR_ARGUMENT == -(int)DK_WIRE_ERROR_ARGUMENT, "status.h and wire.toml");
static_assert(DK_ERR_FRAME == -(int)DK_WIRE_ERROR_FRAME, "status.h and wire.toml");
static_assert(DK_ERR_TYPE == -(int)DK_WIRE_ERROR_TYPE, "status.h and wire.toml");
static_assert(DK_ERR_SESSION == -(int)DK_WIRE_ERROR_SESSION, "status.h and wire.toml");
static_assert(DK_ERR_ORDER == -(int)DK_WIRE_ERROR_ORDER, "status.h and wire.toml");
static_assert(DK_ERR_RANGE == -(int)DK_WIRE_ERROR_RANGE, "status.h and wire.toml");
static_assert(DK_ERR_OVERRUN == -(int)DK_WIRE_ERROR_OVERRUN, "status.h and wire.toml");
static_assert(DK_ERR_RATE == -(int)DK_WIRE_ERROR_RATE, "status.h and wire.toml");
static_assert(DK_ERR_LENGTH == -(int)DK_WIRE_ERROR_LENGTH, "status.h and wire.toml");
static_assert(DK_ERR_SHORT == -(int)DK_WIRE_ERROR_SHORT, "status.h and wire.toml");
static_assert(DK_ERR_SYMBOL == -(int)DK_WIRE_ERROR_SYMBOL, "status.h and wire.toml");

typedef struct {
    uint32_t ticks;
    uint32_t output[WORDS(DK_ENGINE_OUTPUT_BYTES)];
} remembered;

static struct {
    bool ready;
    bool complained;   // a damaged frame was reported, and no sound one has arrived since
    uint32_t session;  // 0: none
    uint8_t flags;     // of the session
    dk_status broken;  // why the engine cannot continue this session, or DK_OK
    uint32_t next;     // index of the next step
    uint32_t steps;
    uint32_t frames_rejected;
    uint32_t resends;
    dk_frame_decoder decoder;
    dk_frame_writer writer;
    uint8_t frame[RX_FRAME];
    uint32_t input[WORDS(DK_ENGINE_INPUT_BYTES)];
    uint32_t trace[WORDS(DK_ENGINE_TRACE_BYTES)];
    remembered results[DK_SERVER_WINDOW];
} server;

static void send(uint8_t type, uint16_t sequence, const uint8_t *fixed, size_t fixed_bytes,
                 const uint8_t *rest, size_t rest_bytes)
{
    dk_frame_begin(&server.writer, dk_port_write, type, sequence,
                   (uint16_t)(fixed_bytes + rest_bytes));
    dk_frame_put(&server.writer, fixed, fixed_bytes);
    dk_frame_put(&server.writer, rest, rest_bytes);
    dk_frame_end(&server.writer);
}

static void send_error(uint8_t request, uint16_t sequence, dk_status status)
{
    const dk_wire_error error = {(uint8_t)(-(int)status), request, server.session, server.next};
    uint8_t bytes[DK_WIRE_ERROR_BYTES];
    dk_wire_put_error(bytes, &error);
    send(DK_WIRE_TYPE_ERROR, sequence, bytes, sizeof bytes, NULL, 0);
}

static void put_text(char *to, size_t room, const char *text)
{
    for (size_t i = 0; i < room && text[i] != '\0'; i++) {
        to[i] = text[i];
    }
}

static dk_status on_hello(const dk_frame *frame)
{
    const dk_engine *engine = &dk_app_engine;
    dk_wire_board board = {0};
    board.protocol = DK_WIRE_PROTOCOL;
    memcpy(board.build_id, dk_port_build_id(), sizeof board.build_id);
    memcpy(board.model_hash, engine->model_hash, sizeof board.model_hash);
    put_text(board.target, sizeof board.target, engine->target);
    put_text(board.stage, sizeof board.stage, engine->stage);
    board.input_bytes = engine->input_bytes;
    board.output_bytes = engine->output_bytes;
    board.trace_bytes = engine->trace_bytes;
    board.window = DK_SERVER_WINDOW;
    board.session = server.session;
    board.uptime = dk_port_ticks();
    board.cycles = dk_port_ticks_are_cycles();
    uint8_t bytes[DK_WIRE_BOARD_BYTES];
    dk_wire_put_board(bytes, &board);
    send(DK_WIRE_TYPE_BOARD, frame->sequence, bytes, sizeof bytes, NULL, 0);
    return DK_OK;
}

static bool fits(uint32_t bytes, uint32_t room)
{
    return bytes <= room;
}

static dk_status on_open(const dk_frame *frame)
{
    const dk_engine *engine = &dk_app_engine;
    dk_wire_open open;
    if (frame->length != DK_WIRE_OPEN_BYTES) {
        return DK_ERR_ARGUMENT;
    }
    dk_wire_get_open(&open, frame->payload);
    if (open.session == 0 || (open.flags & ~DK_WIRE_OPEN_TRACE) != 0) {
        return DK_ERR_ARGUMENT;
    }
    if (!fits(engine->input_bytes, DK_ENGINE_INPUT_BYTES) ||
        !fits(engine->output_bytes, DK_ENGINE_OUTPUT_BYTES) ||
        !fits(engine->trace_bytes, DK_ENGINE_TRACE_BYTES)) {
        return DK_ERR_OVERRUN;
    }
    if (open.session != server.session) {
        server.session = 0;
        server.next = 0;
        dk_status status = engine->reset();
        if (status < 0) {
            return status;
        }
        server.session = open.session;
        server.flags = open.flags;
        server.broken = DK_OK;
    }
    const dk_wire_opened opened = {server.session, server.flags, server.next};
    uint8_t bytes[DK_WIRE_OPENED_BYTES];
    dk_wire_put_opened(bytes, &opened);
    send(DK_WIRE_TYPE_OPENED, frame->sequence, bytes, sizeof bytes, NULL, 0);
    return DK_OK;
}

static dk_status run_step(const uint8_t *input)
{
    const dk_engine *engine = &dk_app_engine;
    remembered *result = &server.results[server.next % DK_SERVER_WINDOW];
    uint8_t *trace = (server.flags & DK_WIRE_OPEN_TRACE) != 0 ? (uint8_t *)server.trace : NULL;
    memcpy(server.input, input, engine->input_bytes);
    dk_port_mark(true);
    uint32_t start = dk_port_work_ticks();
#ifdef DK_PROFILE
    dk_trace_begin(start);
#endif
    dk_status status =
        engine->step((const uint8_t *)server.input, (uint8_t *)result->output, trace);
    result->ticks = dk_port_work_ticks() - start;
    dk_port_mark(false);
    if (status < 0) {
        server.broken = status;
        return status;
    }
    server.next++;
    server.steps++;
    return DK_OK;
}

static dk_status on_step(const dk_frame *frame)
{
    const dk_engine *engine = &dk_app_engine;
    dk_wire_step step;
    if (frame->length != DK_WIRE_STEP_BYTES + engine->input_bytes) {
        return DK_ERR_ARGUMENT;
    }
    dk_wire_get_step(&step, frame->payload);
    if (server.session == 0 || step.session != server.session) {
        return DK_ERR_SESSION;
    }
    if (step.index < server.next && server.next - step.index <= DK_SERVER_WINDOW) {
        server.resends++;
    } else if (step.index != server.next) {
        return DK_ERR_ORDER;
    } else {
        dk_status status = server.broken;
        if (status == DK_OK) {
            status = run_step(frame->payload + DK_WIRE_STEP_BYTES);
        }
        if (status < 0) {
            return status;
        }
    }
    const remembered *kept = &server.results[step.index % DK_SERVER_WINDOW];
    const dk_wire_result result = {server.session, step.index, kept->ticks};
    uint8_t bytes[DK_WIRE_RESULT_BYTES];
    dk_wire_put_result(bytes, &result);
    send(DK_WIRE_TYPE_RESULT, frame->sequence, bytes, sizeof bytes, (const uint8_t *)kept->output,
         engine->output_bytes);
    return DK_OK;
}

static dk_status on_read(const dk_frame *frame)
{
    dk_wire_read read;
    if (frame->length != DK_WIRE_READ_BYTES) {
        return DK_ERR_ARGUMENT;
    }
    dk_wire_get_read(&read, frame->payload);
    if (server.session == 0 || read.session != server.session) {
        return DK_ERR_SESSION;
    }
    if (read.region != DK_WIRE_REGION_TRACE || (server.flags & DK_WIRE_OPEN_TRACE) == 0) {
        return DK_ERR_ARGUMENT;
    }
    if (server.next == 0 || read.step != server.next - 1u || server.broken != DK_OK) {
        return DK_ERR_ORDER;
    }
    uint32_t end = (uint32_t)read.offset + read.length;
    if (read.length == 0 || end > dk_app_engine.trace_bytes) {
        return DK_ERR_RANGE;
    }
    for (uint32_t offset = read.offset; offset < end; offset += DK_WIRE_DATA_CHUNK) {
        uint32_t left = end - offset;
        const dk_wire_data data = {server.session, read.region, read.step, (uint16_t)offset};
        uint8_t bytes[DK_WIRE_DATA_BYTES];
        dk_wire_put_data(bytes, &data);
        send(DK_WIRE_TYPE_DATA, frame->sequence, bytes, sizeof bytes,
             (const uint8_t *)server.trace + offset,
             left < DK_WIRE_DATA_CHUNK ? left : DK_WIRE_DATA_CHUNK);
    }
    return DK_OK;
}

static dk_status on_count(const dk_frame *frame)
{
    if (frame->length != DK_WIRE_COUNT_BYTES) {
        return DK_ERR_ARGUMENT;
    }
    const dk_wire_counters counters = {
        .steps = server.steps,
        .rx_dropped = dk_port_rx_dropped(),
        .frames_rejected = server.frames_rejected,
        .resends = server.resends,
        .stack_peak = dk_port_stack_peak(),
    };
    uint8_t bytes[DK_WIRE_COUNTERS_BYTES];
    dk_wire_put_counters(bytes, &counters);
    send(DK_WIRE_TYPE_COUNTERS, frame->sequence, bytes, sizeof bytes, NULL, 0);
    return DK_OK;
}

static dk_status dispatch(const dk_frame *frame)
{
    switch (frame->type) {
        case DK_WIRE_TYPE_HELLO:
            return on_hello(frame);
        case DK_WIRE_TYPE_OPEN:
            return on_open(frame);
        case DK_WIRE_TYPE_STEP:
            return on_step(frame);
        case DK_WIRE_TYPE_READ:
            return on_read(frame);
        case DK_WIRE_TYPE_COUNT:
            return on_count(frame);
        default:
            return DK_ERR_TYPE;
    }
}

static void take(uint8_t byte)
{
    dk_frame frame;
    int32_t got = dk_frame_push(&server.decoder, byte, &frame);
    if (got > 0) {
        server.complained = false;
        dk_status status = dispatch(&frame);
        if (status < 0) {
            send_error(frame.type, frame.sequence, status);
        }
    } else if (got < 0) {
        server.frames_rejected++;
        // Report it once: a stream of noise must not be answered with a stream of errors.
        if (!server.complained) {
            server.complained = true;
            send_error(0, 0, DK_ERR_FRAME);
        }
    }
}

void dk_server_poll(void)
{
    uint8_t bytes[READ_AT_ONCE];
    if (!server.ready) {
        dk_frame_decoder_init(&server.decoder, server.frame, sizeof server.frame);
        server.ready = true;
    }
    size_t count = dk_port_read(bytes, sizeof bytes);
    while (count > 0) {
        for (size_t i = 0; i < count; i++) {
            take(bytes[i]);
        }
        count = dk_port_read(bytes, sizeof bytes);
    }
}

void dk_server_run(void)
{
    for (;;) {
        dk_server_poll();
        dk_port_idle();
    }
}
