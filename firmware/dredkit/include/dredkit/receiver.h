// SPDX-License-Identifier: BSD-3-Clause
// The receiver: takes what arrives, good PCM of the base codec and DRED payloads, and always has
// something to play. It allocates nothing, and two receivers share nothing but constants. One
// receiver's functions must not run at the same time.
//
// PCM is mono int16 at DK_OUTPUT_RATE, 16000 or 48000. Time stamps count samples at this rate, in
// 32 bits that wrap. RTP's count at 48 kHz: if DK_OUTPUT_RATE is 16000, unwrap them before you
// divide by 3. The receiver's clock is the time stamp of the next sample that it plays; every
// sample played moves it on. Output is aligned with the base decoder's, and nothing is delayed.
//
// How a jitter buffer drives it. Packets last 20 ms, at 16 kHz; packet n begins at 320 n. Packets 3
// and 4 are lost. Every 20 ms the player asks for 320 samples:
//
//   clock  buffer holds  calls
//     640  2             dk_receiver_good(pcm of 2)
//     960  5             dk_receiver_payload(1600, payload of 5), since packet 3 is missing;
//                        dk_receiver_expect_loss(), then dk_receiver_work(1) from an idle task
//                        until it returns 0, or not at all: what it does not do is done when the
//                        gap is played, or for the oldest frames not at all
//     960  5             dk_receiver_lost(320): speaks the 20 ms of packet 3
//    1280  5, 6          dk_receiver_lost(320): speaks packet 4
//    1600  5, 6          dk_receiver_good(pcm of 5): the voice speaks on, over these good samples
//    1920  6             dk_receiver_payload(1920, payload of 6), of use while the voice speaks;
//                        dk_receiver_good(pcm of 6): 15 ms of fade, then the good samples
//    2240  7             dk_receiver_good(pcm of 7): plays them as they are
//
// If packet 5 is not there at 960, dk_receiver_lost repeats what it knows and fades it out; give
// the payload as soon as packet 5 comes. What it covers from then on is spoken.
//
// Calls take multiples of 10 ms: collect packets of 2.5 and 5 ms to 10 ms.
//
// Give a payload with the time stamp of the frame that it belongs to: the packet's, plus
// dk_packet_found's place of the frame (packet.h). Give it as soon as you know that a packet before
// it is missing, and for each packet while dk_receiver_is_speaking. You may give every payload;
// this costs its parsing. Late, doubled and reordered ones are harmless. The base decoder must
// decode or conceal every packet as it does without DRED. Pass its concealment of a lost packet to
// dk_receiver_concealed, or call dk_receiver_lost without it. Where it recovers a packet from LBRR,
// pass that PCM to dk_receiver_recovered.
//
// Payloads are not trusted: any bytes are harmless. Functions that return int32_t return a negative
// dk_status on an error and then change nothing. DK_ERR_ARGUMENT also means a receiver that
// dk_receiver_init has not initialised.
#ifndef DREDKIT_RECEIVER_H
#define DREDKIT_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dredkit/align.h"
#include "dredkit/config.h"
#include "dredkit/status.h"

#ifdef __cplusplus
extern "C" {
#endif

// One receiver in the caller's memory. The contents are private.
typedef struct dk_receiver {
    DK_ALIGNED(8) unsigned char memory[DK_RECEIVER_BYTES];
} dk_receiver;

struct dk_weights;  // weights.h

// What does not change while a receiver runs.
typedef struct {
    uint8_t over_ms;        // good audio after a gap that the voice speaks over: 0, 10 .. 60 ms
    uint8_t fade_ms;        // length of the fade from the voice to good audio: 1 .. 40 ms
    uint8_t chunks_a_call;  // most chunks of 40 ms, 0 .. 26, that dk_receiver_lost decodes for each
                            // 10 ms that it plays; also dk_receiver_good where the voice speaks on.
                            // A call decodes them before it plays. Frames that are not decoded in
                            // time are repeated from those that are: dk_receiver_work decodes ahead
    const struct dk_weights *weights;  // opened by dk_weights_open; they must outlive the receiver.
                                       // NULL: the weights that are linked into the image
} dk_receiver_config;

// Where the last 10 ms that were played came from.
typedef enum {
    DK_RECEIVER_NORMAL = 0,     // good audio
    DK_RECEIVER_RECOVERED = 1,  // the base decoder's, from LBRR
    DK_RECEIVER_DRED = 2,       // the voice, with a payload's features
    DK_RECEIVER_PLC = 3,        // the voice, with no features for this time
    DK_RECEIVER_FADE = 4,       // the voice, fading into good audio
    DK_RECEIVER_CONCEALED = 5   // the base decoder's own concealment
} dk_receiver_source;

// Return the default: over_ms 20, fade_ms 15, chunks_a_call 1, linked-in weights.
dk_receiver_config dk_receiver_config_default(void);

// Start; the clock is 0. `config` may be NULL for the default. Returns DK_OK or DK_ERR_ARGUMENT,
// also where `config` names no weights and none are linked in.
int32_t dk_receiver_init(dk_receiver *receiver, const dk_receiver_config *config);

// Set the clock: for the first packet, and where the player skips or repeats audio. Redundancy that
// is held keeps its time, to the nearest 10 ms; after a jump by more than about a second it is
// dropped. Returns DK_OK or DK_ERR_ARGUMENT.
int32_t dk_receiver_set_time(dk_receiver *receiver, uint32_t timestamp);

// Return the clock: the time stamp of the next sample that is played. 0 for a receiver that is not
// initialised.
uint32_t dk_receiver_time(const dk_receiver *receiver);

// Take the payload, `bytes` long (1 .. 1000), of the frame that begins at `timestamp`. At most two
// payloads wait to be decoded; of three, the one with the least use goes. Returns the number of
// chunks of 40 ms in the payload, also if it is of no use and dropped; DK_ERR_ARGUMENT; or
// DK_ERR_LENGTH, DK_ERR_SHORT or DK_ERR_SYMBOL for a malformed payload.
int32_t dk_receiver_payload(dk_receiver *receiver, uint32_t timestamp, const uint8_t *payload,
                            size_t bytes);

// Take PCM that the base decoder made from a packet, `samples` of it: 10, 20 .. 120 ms. Write to
// `out` what to play, as much; it may be the same memory. Returns DK_OK or DK_ERR_ARGUMENT.
int32_t dk_receiver_good(dk_receiver *receiver, const int16_t *pcm, size_t samples, int16_t *out);

// The same for PCM that the base decoder recovered from a later packet's LBRR.
int32_t dk_receiver_recovered(dk_receiver *receiver, const int16_t *pcm, size_t samples,
                              int16_t *out);

// Write what to play for lost audio, `samples` of it: 10, 20 .. 120 ms. Returns DK_OK or
// DK_ERR_ARGUMENT.
int32_t dk_receiver_lost(dk_receiver *receiver, size_t samples, int16_t *out);

// The same, given the PCM that the base decoder made of the lost audio without any packet. It plays
// in the first 120 ms of a gap that no payload covers, since the base decoder continues from it
// when packets return; then the voice takes over, with the base decoder's comfort noise added to
// it. A payload that comes meanwhile ends this; if you tell where gaps begin, after a multiple of
// 40 ms, for which the voice is being prepared, as it is where a gap begins just after a fade.
// Sounds better than dk_receiver_lost where gaps lack a payload and is the same elsewhere. `out`
// may be the memory of `pcm`.
int32_t dk_receiver_concealed(dk_receiver *receiver, const int16_t *pcm, size_t samples,
                              int16_t *out);

// Tell that the audio to be played next is missing, as soon as that is known. dk_receiver_work then
// brings the voice up to the last sample played, also if no payload has come. The next audio that
// is played ends this. Once you have called this or the next function, tell of every gap: the voice
// is prepared for no other. Returns DK_OK or DK_ERR_ARGUMENT.
int32_t dk_receiver_expect_loss(dk_receiver *receiver);

// The same, known earlier: the next gap begins at `timestamp`, and what is played before it is not
// missing. If you know 70 ms before, or 30 ms before a gap whose start dk_receiver_concealed is to
// play, dk_receiver_work analyses that audio as it is played, up to 40 ms of it in a call, and the
// start of the voice costs about as much as a call of 20 ms that speaks. Call it again if that
// changes; the last call counts.
int32_t dk_receiver_expect_loss_at(dk_receiver *receiver, uint32_t timestamp);

// Do work ahead of need, in units of `budget`: decode chunks that have been taken, newest first,
// one unit each, and bring the voice up to the last sample played, one unit: the last of the budget
// if you have told that the voice speaks next, else after all chunks. A first dk_receiver_lost
// after this costs no more than the next ones; where dk_receiver_concealed plays the first 40 ms,
// the call after them. Call it after the audio of a packet, so that its cost falls on a packet that
// costs little. Returns the number of units still of use, 0 if there are none, or DK_ERR_ARGUMENT.
int32_t dk_receiver_work(dk_receiver *receiver, uint32_t budget);

// Return whether the voice speaks now: in a gap, and after it until the fade has ended.
bool dk_receiver_is_speaking(const dk_receiver *receiver);

// Return where the last 10 ms came from.
dk_receiver_source dk_receiver_last_source(const dk_receiver *receiver);

#ifdef __cplusplus
}
#endif

#endif
