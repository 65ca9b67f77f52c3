// SPDX-License-Identifier: BSD-3-Clause
// libopus as base codec.
#include "codec.h"

#include <opus.h>
#include <stddef.h>

#include "dredkit/dredkit.h"

#define RATE 16000
#define BITRATE 24000
#define LOSS_PERCENT 20      // what the encoder is told to expect: with more, LBRR is finer
#define FRAMES_MAX 48        // of a packet
#define FIRST_CELT_ONLY 16   // configuration of RFC 6716, table 2; those below have SILK
#define LBRR_FLAG (1u << 6)  // first byte of a SILK frame of 20 ms, mono: VAD, LBRR, ...

static OpusEncoder *encoder;
static OpusDecoder *decoder;

int32_t codec_start(int complexity)
{
    int error = OPUS_OK;
    encoder = opus_encoder_create(RATE, 1, OPUS_APPLICATION_VOIP, &error);
    decoder = error == OPUS_OK ? opus_decoder_create(RATE, 1, &error) : NULL;
    if (error != OPUS_OK) {
        return error;
    }
    (void)opus_encoder_ctl(encoder, OPUS_SET_BITRATE(BITRATE));
    (void)opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(complexity));
    (void)opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(1));
    return opus_encoder_ctl(encoder, OPUS_SET_PACKET_LOSS_PERC(LOSS_PERCENT));
}

int32_t codec_bytes(void)
{
    return opus_encoder_get_size(1) + opus_decoder_get_size(1);
}

uint16_t codec_delay(void)
{
    opus_int32 lookahead = 0;
    (void)opus_encoder_ctl(encoder, OPUS_GET_LOOKAHEAD(&lookahead));
    return dk_sender_codec_delay((uint32_t)lookahead, RATE);
}

int32_t codec_encode(const int16_t *pcm, uint8_t *packet, int32_t capacity)
{
    return opus_encode(encoder, pcm, SAMPLES, packet, capacity);
}

int32_t codec_decode(const uint8_t *packet, int32_t bytes, int16_t *pcm)
{
    return opus_decode(decoder, packet, bytes, pcm, SAMPLES, 0);
}

bool codec_has_lbrr(const uint8_t *packet, int32_t bytes)
{
    const unsigned char *frames[FRAMES_MAX];
    opus_int16 sizes[FRAMES_MAX];
    unsigned char toc = 0;
    const int count = opus_packet_parse(packet, bytes, &toc, frames, sizes, NULL);
    return count > 0 && toc >> 3 < FIRST_CELT_ONLY && sizes[0] > 0 && (frames[0][0] & LBRR_FLAG);
}

bool codec_has_silk(const uint8_t *packet, int32_t bytes)
{
    return bytes > 0 && packet[0] >> 3 < FIRST_CELT_ONLY;
}

int32_t codec_recover(const uint8_t *packet, int32_t bytes, int16_t *pcm)
{
    return opus_decode(decoder, packet, bytes, pcm, SAMPLES, 1);
}

int32_t codec_conceal(int16_t *pcm)
{
    return opus_decode(decoder, NULL, 0, pcm, SAMPLES, 0);
}
