// SPDX-License-Identifier: BSD-3-Clause
// Makes the calls of dredkit/receiver.h that standard input lists, and writes what they give. A
// call is 8 bytes, op, 0, slots (u16), argument (u32), then as many bytes as the argument of
// `payload` or the slots of `good` need. An answer is a status (i32) and the samples. All buffers
// have the size that the header asks for, so that an address sanitizer sees each step beyond it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dredkit/receiver.h"

enum { INIT, TIME, PAYLOAD, GOOD, RECOVERED, LOST, WORK, EXPECT };
enum { CONCEALED = 16, EXPECT_AT };
enum { SLOT = DK_OUTPUT_RATE / 100 };

static void *room(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL) {
        exit(3);
    }
    return memory;
}

static void take(void *to, size_t bytes)
{
    if (fread(to, 1, bytes, stdin) != bytes) {
        exit(4);
    }
}

static void give(int32_t status, const int16_t *pcm, size_t samples)
{
    fwrite(&status, sizeof status, 1, stdout);
    if (status >= 0 && samples > 0) {
        fwrite(pcm, sizeof pcm[0], samples, stdout);
    }
}

static void play(dk_receiver *receiver, int op, size_t samples)
{
    const size_t bytes = samples * sizeof(int16_t);
    int16_t *pcm = room(bytes), *out = room(bytes);
    int32_t status;
    if (op == LOST) {
        status = dk_receiver_lost(receiver, samples, out);
    } else {
        take(pcm, bytes);
        status = op == CONCEALED ? dk_receiver_concealed(receiver, pcm, samples, out)
                 : op == GOOD    ? dk_receiver_good(receiver, pcm, samples, out)
                                 : dk_receiver_recovered(receiver, pcm, samples, out);
    }
    give(status, out, samples);
    free(pcm);
    free(out);
}

static void payload(dk_receiver *receiver, uint32_t time, size_t bytes)
{
    uint8_t *data = room(bytes);
    take(data, bytes);
    give(dk_receiver_payload(receiver, time, data, bytes), NULL, 0);
    free(data);
}

int main(void)
{
    dk_receiver *receiver = room(sizeof *receiver);
    memset(receiver, 0xA5, sizeof *receiver);
    uint8_t call[8];
    while (fread(call, 1, sizeof call, stdin) == sizeof call) {
        uint16_t count;
        uint32_t argument;
        memcpy(&count, call + 2, sizeof count);
        memcpy(&argument, call + 4, sizeof argument);
        const dk_receiver_config config = {call[4], call[5], call[6], NULL};
        switch (call[0]) {
            case INIT:
                give(dk_receiver_init(receiver, &config), NULL, 0);
                break;
            case TIME:
                give(dk_receiver_set_time(receiver, argument), NULL, 0);
                break;
            case PAYLOAD:
                payload(receiver, argument, count);
                break;
            case WORK:
                give(dk_receiver_work(receiver, argument), NULL, 0);
                break;
            case EXPECT:
                give(dk_receiver_expect_loss(receiver), NULL, 0);
                break;
            case EXPECT_AT:
                give(dk_receiver_expect_loss_at(receiver, argument), NULL, 0);
                break;
            default:
                play(receiver, call[0], (size_t)count * SLOT);
                break;
        }
    }
    free(receiver);
    return 0;
}
