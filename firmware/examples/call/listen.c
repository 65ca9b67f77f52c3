// SPDX-License-Identifier: BSD-3-Clause
// The far end: keeps packets in a jitter buffer and plays them, or what stands for lost ones.
#include "dredkit/dredkit.h"
#include "ends.h"

#define UNIT 40u     // 2.5 ms, in samples
#define FORESEEN 4u  // packets: a gap that begins within 70 ms is prepared for
#define AGAIN 6u     // packets between two gaps, at most, for the second to begin with a repetition
#define KEPT (LISTEN_DELAY + 1u)  // packets: those that wait, and the one that was played last

static dk_receiver receiver;
static packet buffer[KEPT];         // packet n is at n % KEPT; length 0: not there
static uint32_t came = AGAIN + 1u;  // packets since the last gap; no more than this are counted

static packet *at(uint32_t n)
{
    return &buffer[n % KEPT];
}

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
    *at(n) = *from;
    if (at(n + KEPT - 1)->length == 0) {
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
    for (uint32_t gap = n; gap < n + FORESEEN; gap++) {
        if (at(gap)->length == 0 && !recovers(at(gap + 1))) {
            (void)dk_receiver_expect_loss_at(&receiver, gap * SAMPLES);
            return;
        }
    }
}

// Do what packet n will need, after the audio of the packet before it.
static void prepare(uint32_t n)
{
    const packet *now = at(n);
    if (now->length > 0 && dk_receiver_is_speaking(&receiver)) {
        give(n, now);  // the voice will speak on over the first good packet
    }
    foresee(n);
    // A chunk is 40 ms of redundancy: they are decoded ahead, twice as fast as they are played.
    (void)COST(COST_RECEIVER_WORK, dk_receiver_work(&receiver, 1));
}

// Let the base decoder make something of packet n, which is lost. Where gaps lie close together its
// own concealment would leave a history that is too quiet, so a gap begins with the packet before.
static void conceal(uint32_t n, int16_t base[SAMPLES])
{
    const packet *before = at(n + KEPT - 1);
    if (came >= 1 && came <= AGAIN && codec_has_silk(before->bytes, before->length)) {
        (void)COST(COST_OPUS_DECODE, codec_decode(before->bytes, before->length, base));
    } else {
        (void)COST(COST_OPUS_CONCEAL, codec_conceal(base));
    }
}

static cost_part play(uint32_t n, int16_t base[SAMPLES], int16_t out[SAMPLES])
{
    const packet *now = at(n);
    const packet *next = at(n + 1);
    if (now->length > 0 &&
        COST(COST_OPUS_DECODE, codec_decode(now->bytes, now->length, base)) > 0) {
        came += came <= AGAIN ? 1u : 0u;
        (void)COST(COST_RECEIVER_GOOD, dk_receiver_good(&receiver, base, SAMPLES, out));
        return COST_RECEIVING;
    }
    if (recovers(next)) {
        came = 0;
        (void)COST(COST_OPUS_DECODE_LBRR, codec_recover(next->bytes, next->length, base));
        (void)COST(COST_RECEIVER_RECOVERED, dk_receiver_recovered(&receiver, base, SAMPLES, out));
        return COST_RECOVERING;
    }
    conceal(n, base);
    came = 0;
    (void)COST(COST_RECEIVER_LOST, dk_receiver_concealed(&receiver, base, SAMPLES, out));
    return COST_IN_A_GAP;
}

cost_part listen_play(uint32_t n, int16_t base[SAMPLES], int16_t out[SAMPLES])
{
    const cost_part part = play(n, base, out);
    at(n + KEPT - 1)->length = 0;  // packet n may still be decoded again in place of the next one
    prepare(n + 1);
    return part;
}
