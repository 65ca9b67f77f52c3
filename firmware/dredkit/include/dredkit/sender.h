// SPDX-License-Identifier: BSD-3-Clause
// The sender: hears PCM and writes the DRED payload of each Opus packet. It allocates nothing, and
// two senders share nothing but constants. One sender's functions must not run at the same time.
//
//   static dk_sender sender;
//   dk_sender_config config = dk_sender_config_default();
//   dk_sender_init(&sender, &config);
//
//   for every Opus packet, while dk_sender_rate rate = dk_sender_rate_default():
//     dk_sender_hear(&sender, pcm, samples, dk_voice_activity(pcm, samples));
//     bytes = dk_sender_payload(&sender, &rate, payload, sizeof payload);
//     if bytes > 0: put the payload into the packet (packet.h)
//
// PCM is mono int16 at the input rate that config.h was generated for. Functions return a negative
// dk_status on an error and then change nothing. DK_ERR_ARGUMENT also means a sender that
// dk_sender_init has not initialised.
#ifndef DREDKIT_SENDER_H
#define DREDKIT_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dredkit/align.h"
#include "dredkit/config.h"
#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

// One sender in the caller's memory. The contents are private.
typedef struct dk_sender {
    DK_ALIGNED(8) unsigned char memory[DK_SENDER_BYTES];
} dk_sender;

struct dk_weights;  // weights.h

// What does not change while a sender runs.
typedef struct {
    uint16_t codec_delay;  // the base codec's delay, 0 .. 560 samples at 16 kHz; 64 for libopus,
                           // 0 with its RESTRICTED_LOWDELAY: dk_sender_codec_delay computes it
    const struct dk_weights *weights;  // opened by dk_weights_open; they must outlive the sender.
                                       // NULL: the weights that are linked into the image
} dk_sender_config;

// What a payload may cost, and the packet that it belongs to.
typedef struct {
    uint8_t q0;          // level of the newest chunk, 0 (fine) .. 15 (coarse)
    uint8_t dq;          // how fast older chunks get coarser, 0 .. 7
    uint8_t qmax;        // the coarsest level, q0 + 1 .. 15; 15 if q0 >= 14 or dq == 0
    uint8_t max_chunks;  // most redundancy, 1 .. 26 chunks of 40 ms
    uint8_t units;       // length of the packet, 1 .. 48 units of 2.5 ms; 0: all that the last
                         // dk_sender_hear took
} dk_sender_rate;

// What libopus' policy decides from.
typedef struct {
    uint32_t bitrate;  // of the whole stream, base codec and redundancy, 0 .. 510000 bit/s
    uint8_t loss;      // expected packet loss, 0 .. 100 %
    uint8_t duration;  // most redundancy, 0 .. 104 units of 10 ms, as in OPUS_SET_DRED_DURATION
    uint8_t units;     // length of a packet, 1 .. 48 units of 2.5 ms
    bool lbrr;         // whether the base codec sends in-band FEC
} dk_sender_policy_request;

// Return the configuration for libopus in every mode except RESTRICTED_LOWDELAY.
dk_sender_config dk_sender_config_default(void);

// Return the codec_delay of an Opus encoder at `rate` samples a second. `lookahead` is what its
// OPUS_GET_LOOKAHEAD gives, in samples at that rate; all of it but 2.5 ms is the delay.
uint16_t dk_sender_codec_delay(uint32_t lookahead, uint32_t rate);

// Start in silence. `config` may be NULL for the default. Returns DK_OK or DK_ERR_ARGUMENT, also
// where `config` names no weights and none are linked in.
int32_t dk_sender_init(dk_sender *sender, const dk_sender_config *config);

// Hear `samples` of PCM: any multiple of 10 ms, up to 120 ms. A packet may be heard in pieces, to
// spread the work: 10 ms cost the features, and every second 10 ms the encoder network as well.
// `voice` is the decision for all of these samples; silence is not sent. Hear every packet, also
// one that gets no payload, or the redundancy is misplaced in time. Returns DK_OK or
// DK_ERR_ARGUMENT.
int32_t dk_sender_hear(dk_sender *sender, const int16_t *pcm, size_t samples, bool voice);

// Write the redundancy of a packet whose last sample is the last one heard. Call this at most once
// per packet. Returns the length of the payload, at most 1000 bytes; 0 if nothing is worth sending
// or nothing fits `capacity`; or DK_ERR_ARGUMENT. All of `capacity` may be overwritten.
int32_t dk_sender_payload(dk_sender *sender, const dk_sender_rate *rate, uint8_t *payload,
                          size_t capacity);

// Return a good rate: fine at the newest end, coarser with age, up to 1.04 s, 50 to 75 bytes for a
// packet of speech. Its units are 0.
dk_sender_rate dk_sender_rate_default(void);

// Spend a bitrate on redundancy as libopus 1.6 does in VBR: fill `rate`, and `max_bytes` (NULL if
// not wanted) with the bytes a packet that the redundancy's share of the bitrate pays for. Returns
// this share in bit/s, which the base codec must do without; 0 for no redundancy, which leaves both
// untouched; or DK_ERR_ARGUMENT. libopus limits the depth, not the bytes: pass `max_bytes` as
// capacity only if packets must not vary.
int32_t dk_sender_policy(const dk_sender_policy_request *request, dk_sender_rate *rate,
                         uint16_t *max_bytes);

// Return whether samples are loud enough for voice: an RMS above 200, -44 dB of full scale. This
// hears level only. Louder noise counts as voice and quieter speech as silence, and nothing holds
// the decision through short pauses. Prefer the decision of your base codec or echo canceller; if
// in doubt, pass true to dk_sender_hear, which only costs bits.
bool dk_voice_activity(const int16_t *pcm, size_t samples);

#ifdef __cplusplus
}
#endif

#endif
