// SPDX-License-Identifier: BSD-3-Clause
// The base codec is libopus, in memory of the application's own.
#include <opus.h>

#include "base.h"

namespace
{

constexpr int rate = 16000;
constexpr size_t encoder_bytes = 32768, decoder_bytes = 32768;

alignas(8) uint8_t encoder_memory[encoder_bytes], decoder_memory[decoder_bytes];

OpusEncoder *encoder()
{
    return reinterpret_cast<OpusEncoder *>(encoder_memory);
}

OpusDecoder *decoder()
{
    return reinterpret_cast<OpusDecoder *>(decoder_memory);
}

}  // namespace

bool base::start()
{
    return static_cast<size_t>(opus_encoder_get_size(1)) <= encoder_bytes &&
           static_cast<size_t>(opus_decoder_get_size(1)) <= decoder_bytes &&
           opus_encoder_init(encoder(), rate, 1, OPUS_APPLICATION_VOIP) == OPUS_OK &&
           opus_encoder_ctl(encoder(), OPUS_SET_BITRATE(24000)) == OPUS_OK &&
           opus_encoder_ctl(encoder(), OPUS_SET_COMPLEXITY(0)) == OPUS_OK &&
           opus_encoder_ctl(encoder(), OPUS_SET_INBAND_FEC(1)) == OPUS_OK &&
           opus_encoder_ctl(encoder(), OPUS_SET_PACKET_LOSS_PERC(20)) == OPUS_OK &&
           opus_decoder_init(decoder(), rate, 1) == OPUS_OK;
}

uint32_t base::lookahead()
{
    opus_int32 found = 0;
    (void)opus_encoder_ctl(encoder(), OPUS_GET_LOOKAHEAD(&found));
    return static_cast<uint32_t>(found);
}

size_t base::encode(const int16_t *pcm, uint8_t *packet, size_t capacity)
{
    const opus_int32 bytes = opus_encode(encoder(), pcm, static_cast<int>(samples), packet,
                                         static_cast<opus_int32>(capacity));
    return bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

bool base::decode(const uint8_t *packet, size_t bytes, int16_t *pcm)
{
    const int count = static_cast<int>(samples);
    return opus_decode(decoder(), packet, static_cast<opus_int32>(bytes), pcm, count, 0) == count;
}
