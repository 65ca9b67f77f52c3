// SPDX-License-Identifier: BSD-3-Clause
// Runs the network kernels for tests/support/kernel_board.py. Requests come in a file of 32-bit
// words, results go to another file. Before each block of bytes stand its size and the distance
// from a word's start at which it must lie; a size of NONE is a NULL. A counted request gives the
// timer's ticks instead of the kernel's output. The program uses semihosting.
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board.h"
#include "drivers.h"
#include "nn/nn.h"

#define NONE 0xFFFFFFFFU
#define GUARD 0xA5
#define GUARD_BYTES 16

enum { MATVEC8, MATVEC16, TANH, SIGMOID, NARROW, CONV2D, GRU_UPDATE, GATE, BATCH };

// Run a kernel and keep how long it took.
#define TIMED(call) \
    do { \
        const uint32_t begun = dk_timer_now(); \
        call; \
        ticks = dk_timer_now() - begun; \
    } while (0)

static int requests, results;
static uint8_t arena[384 << 10];
static size_t used;
static uint32_t ticks;
static bool counting;

static void refuse(const char *why)
{
    (void)write(STDERR_FILENO, why, strlen(why));
    exit(1);
}

static void take(void *data, size_t size)
{
    if (read(requests, data, size) != (int)size) {
        refuse("the requests end early");
    }
}

static uint32_t word(void)
{
    uint32_t value;
    take(&value, sizeof value);
    return value;
}

static uint8_t *room(size_t size, size_t skew)
{
    uint8_t *at = arena + used + skew;
    used = (used + skew + size + GUARD_BYTES + 7) / 8 * 8;
    if (used > sizeof arena) {
        refuse("a request is too large");
    }
    memset(at + size, GUARD, GUARD_BYTES);
    return at;
}

static void *block(void)
{
    const uint32_t size = word();
    if (size == NONE) {
        return NULL;
    }
    uint8_t *at = room(size, word());
    take(at, size);
    return at;
}

static void give(const void *data, size_t size)
{
    const uint8_t *after = (const uint8_t *)data + size;
    for (size_t i = 0; i < GUARD_BYTES; i++) {
        if (after[i] != GUARD) {
            refuse("a kernel wrote beyond its output");
        }
    }
    if (counting) {
        data = &ticks;
        size = sizeof ticks;
    }
    if (write(results, data, size) != (int)size) {
        refuse("results.bin cannot be written");
    }
}

static dk_matrix8 narrow_matrix(void)
{
    dk_matrix8 matrix = {.rows = (uint16_t)word(), .cols = (uint16_t)word()};
    matrix.weights = block();
    matrix.index = block();
    matrix.bias = block();
    matrix.multiplier = block();
    matrix.shift = block();
    return matrix;
}

static void matvec8(void)
{
    const dk_matrix8 matrix = narrow_matrix();
    const int8_t *x = block();
    int16_t *y = (int16_t *)room(2U * matrix.rows, word());
    TIMED(dk_matvec8(&matrix, x, y));
    give(y, 2U * matrix.rows);
}

// Rows of outputs begin further apart than they are long, and the last row comes first if `y_apart`
// is negative. The gaps between the rows are returned as well.
static void batch(void)
{
    const dk_matrix8 matrix = narrow_matrix();
    const size_t steps = word(), x_apart = word();
    const ptrdiff_t y_apart = (int32_t)word();
    const int8_t *x = block();
    const size_t room_of_one = (size_t)(y_apart < 0 ? -y_apart : y_apart);
    const size_t bytes = 2U * steps * room_of_one;
    int16_t *y = (int16_t *)room(bytes, word());
    memset(y, GUARD, bytes);
    int16_t *first = y_apart < 0 ? y + (steps - 1) * room_of_one : y;
    TIMED(dk_matvec8_batch(&matrix, steps, x, x_apart, first, y_apart));
    give(y, bytes);
}

static dk_matrix16 wide(void)
{
    dk_matrix16 matrix = {.rows = (uint16_t)word(), .cols = (uint16_t)word()};
    matrix.weights = block();
    matrix.bias = block();
    matrix.multiplier = block();
    matrix.shift = block();
    return matrix;
}

static void matvec16(void)
{
    const dk_matrix16 matrix = wide();
    const int16_t *x = block();
    int16_t *y = (int16_t *)room(2U * matrix.rows, word());
    TIMED(dk_matvec16(&matrix, x, y));
    give(y, 2U * matrix.rows);
}

static void conv2d(void)
{
    const dk_matrix16 matrix = wide();
    const size_t channels = word(), width = word();
    const int16_t *past = block(), *x = block();
    int16_t *y = (int16_t *)room(2U * matrix.rows * width, word());
    TIMED(dk_conv2d(&matrix, past, x, channels, width, y));
    give(y, 2U * matrix.rows * width);
}

static void in_place(void (*kernel)(int16_t *values, size_t count))
{
    const size_t count = word();
    int16_t *values = block();
    TIMED(kernel(values, count));
    give(values, 2 * count);
}

static void narrow(void)
{
    const size_t count = word();
    const int16_t *values = block();
    int8_t *x8 = (int8_t *)room(count, word());
    TIMED(dk_narrow(values, count, x8));
    give(x8, count);
}

static void gru_update(void)
{
    const size_t count = word();
    int16_t *gates = block(), *state = block();
    TIMED(dk_gru_update(gates, count, state));
    give(state, 2 * count);
}

static void gate(void)
{
    const size_t count = word();
    int16_t *gates = block();
    const int16_t *x = block();
    TIMED(dk_gate(gates, x, count));
    give(gates, 2 * count);
}

int main(void)
{
    // stdio would need a heap.
    requests = open("requests.bin", O_RDONLY);
    results = open("results.bin", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (requests < 0 || results < 0) {
        refuse("no requests.bin, or no way to write results.bin");
    }
    dk_timer_init();
    for (uint32_t left = word(); left > 0; left--) {
        used = 0;
        counting = word() != 0;
        switch (word()) {
            case MATVEC8:
                matvec8();
                break;
            case MATVEC16:
                matvec16();
                break;
            case TANH:
                in_place(dk_tanh);
                break;
            case SIGMOID:
                in_place(dk_sigmoid);
                break;
            case NARROW:
                narrow();
                break;
            case CONV2D:
                conv2d();
                break;
            case GRU_UPDATE:
                gru_update();
                break;
            case GATE:
                gate();
                break;
            case BATCH:
                batch();
                break;
            default:
                refuse("a request is none of ours");
        }
    }
    exit(close(results));
}
