// SPDX-License-Identifier: BSD-3-Clause
// The far end: keeps packets in a jitter buffer and plays them, or what stands for lost ones.
#include "dredkit/dredkit.h"
#include "ends.h"

#define UNIT 40u     // 2.5 ms, in samples
#define FORESEEN 4u  // packets: a gap that begins within 70 ms is prepared for

static dk_receiver receiver;
static packet buffer[LISTEN_DELAY];  // packet n is at n % LISTEN_DELAY; length 0: not there

int32_t listen_start(void)
{
    dk_receiver_config config = dk_receiver_config_default();
    config.chunks_a_call = 0;  // dk_receiver_work decodes them, so that no 20 ms pay for many
    return dk_receiver_init(&receiver, &config);
}

// Give the receiver the redundancy of packet n.
static void give(uint32_t n, const packet *from)
{
    dk_packet_found found;
    if (COST(COST_PACKET_FIND, dk_packet_find(from->bytes, (size_t)from->length, dk_packet_framings,
                                              2, &found)) > 0) {
        const uint32_t timestamp = n * SAMPLES + found.frame_offset * UNIT;
        // A damaged payload does no harm, so its status does not matter.
        (void)COST(COST_RECEIVER_PAYLOAD,
                   dk_receiver_payload(&receiver, timestamp, found.payload, found.bytes));
    }
}

void listen_arrive(uint32_t n, const packet *from)
{
    buffer[n % LISTEN_DELAY] = *from;
    if (buffer[(n + LISTEN_DELAY - 1) % LISTEN_DELAY].length == 0) {
        give(n, from);  // a packet before it is missing
    }
}

// Return whether the base codec can recover the packet before `next` from it.
static bool recovers(const packet *next)
{
    return next->length > 0 && codec_has_lbrr(next->bytes, next->length);
}

// Tell where the next gap begins, from packet n on, if that is soon.
static void foresee(uint32_t n)
{
    for (uint32_t at = n; at < n + FORESEEN; at++) {
        if (buffer[at % LISTEN_DELAY].length == 0 && !recovers(&buffer[(at + 1) % LISTEN_DELAY])) {
            (void)dk_receiver_expect_loss_at(&receiver, at * SAMPLES);
            return;
        }
    }
}

// Do what packet n will need, after the audio of the packet before it.
static void prepare(uint32_t n)
{
    const packet *now = &buffer[n % LISTEN_DELAY];
    if (now->length > 0 && dk_receiver_is_speaking(&receiver)) {
        give(n, now);  // the voice will speak on over the first good packet
    }
    foresee(n);
    // A chunk is 40 ms of redundancy: they are decoded ahead, twice as fast as they are played.
    (void)COST(COST_RECEIVER_WORK, dk_receiver_work(&receiver, 1));
}

static cost_part play(uint32_t n, int16_t base[SAMPLES], int16_t out[SAMPLES])
{
    packet *now = &buffer[n % LISTEN_DELAY];
    const packet *next = &buffer[(n + 1) % LISTEN_DELAY];
    const int32_t length = now->length;
    now->length = 0;
    if (length > 0 && COST(COST_OPUS_DECODE, codec_decode(now->bytes, length, base)) > 0) {
        (void)COST(COST_RECEIVER_GOOD, dk_receiver_good(&receiver, base, SAMPLES, out));
        return COST_RECEIVING;
    }
    if (recovers(next)) {
        (void)COST(COST_OPUS_DECODE_LBRR, codec_recover(next->bytes, next->length, base));
        (void)COST(COST_RECEIVER_RECOVERED, dk_receiver_recovered(&receiver, base, SAMPLES, out));
        return COST_RECOVERING;
    }
    (void)COST(COST_OPUS_CONCEAL, codec_conceal(base));
    (void)COST(COST_RECEIVER_LOST, dk_receiver_concealed(&receiver, base, SAMPLES, out));
    return COST_IN_A_GAP;
}

cost_part listen_play(uint32_t n, int16_t base[SAMPLES], int16_t out[SAMPLES])
{
    const cost_part part = play(n, base, out);
    prepare(n + 1);
    return part;
}
