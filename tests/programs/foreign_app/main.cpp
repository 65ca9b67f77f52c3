// SPDX-License-Identifier: BSD-3-Clause
// A foreign C++ application in which libopus, DRED's sender and receiver and a network of the
// application's own are in one image. It sends speech.raw in packets of 20 ms with redundancy,
// loses some, and plays the rest. It writes:
//
//   packets.bin  each packet: its length in two bytes, whether it is speech in one, and its bytes
//   base.raw     what the base decoder made of the packets that arrived
//   played.raw   what was played
#include <stddef.h>
#include <stdint.h>

#include <dredkit/dredkit.h>

#include "base.h"
#include "files.h"
#include "gru.h"

namespace
{

constexpr size_t samples = base::samples;
constexpr size_t most_bytes = 500;
static_assert(samples == DK_INPUT_RATE / 50 && samples == DK_OUTPUT_RATE / 50, "all at 16 kHz");

struct Packet {
    uint8_t data[most_bytes];
    size_t bytes;
    bool speech;
};

class Sender
{
  public:
    bool start()
    {
        dk_sender_config config = dk_sender_config_default();
        config.codec_delay = dk_sender_codec_delay(base::lookahead(), DK_INPUT_RATE);
        return dk_sender_init(&sender_, &config) == DK_OK;
    }

    // Make the packet of 20 ms of speech; false if that fails.
    bool send(const int16_t *pcm, Packet &packet)
    {
        packet.speech = gru_1(pcm, samples);
        packet.bytes = base::encode(pcm, packet.data, sizeof packet.data);
        if (packet.bytes == 0 || dk_sender_hear(&sender_, pcm, samples, packet.speech) != DK_OK) {
            return false;
        }
        uint8_t payload[200];
        const int32_t bytes = dk_sender_payload(&sender_, &rate_, payload, sizeof payload);
        if (bytes <= 0) {
            return bytes == 0;
        }
        const int32_t grown = dk_packet_add(packet.data, packet.bytes, sizeof packet.data, payload,
                                            static_cast<size_t>(bytes), &dk_packet_libopus_1_6);
        packet.bytes = grown < 0 ? 0 : static_cast<size_t>(grown);
        return grown > 0;
    }

  private:
    dk_sender sender_;
    dk_sender_rate rate_ = dk_sender_rate_default();
};

class Receiver
{
  public:
    bool start()
    {
        return dk_receiver_init(&receiver_, nullptr) == DK_OK;
    }

    // Take packet `number`, whose base decoder gave `pcm`: play what was lost before it, then it.
    bool receive(uint32_t number, const Packet &packet, const int16_t *pcm, int file)
    {
        const bool wanted = number != played_ || dk_receiver_is_speaking(&receiver_);
        if (wanted && !take(number, packet)) {
            return false;
        }
        while (dk_receiver_work(&receiver_, 1) > 0) {
        }
        int16_t out[samples];
        for (; played_ != number; played_++) {
            if (dk_receiver_lost(&receiver_, samples, out) != DK_OK ||
                !write_file(file, out, sizeof out)) {
                return false;
            }
        }
        played_++;
        return dk_receiver_good(&receiver_, pcm, samples, out) == DK_OK &&
               write_file(file, out, sizeof out);
    }

  private:
    // Take the redundancy in a packet.
    bool take(uint32_t number, const Packet &packet)
    {
        constexpr size_t unit = DK_OUTPUT_RATE / 400;  // 2.5 ms
        dk_packet_found found;
        const int32_t bytes =
            dk_packet_find(packet.data, packet.bytes, dk_packet_framings, 2, &found);
        if (bytes <= 0) {
            return bytes == 0;
        }
        const size_t time = number * samples + found.frame_offset * unit;
        return dk_receiver_payload(&receiver_, static_cast<uint32_t>(time), found.payload,
                                   found.bytes) > 0;
    }

    dk_receiver receiver_;
    uint32_t played_ = 0;
};

Sender sender;
Receiver receiver;
int16_t pcm[samples];
Packet packet;

struct Files {
    int speech = open_file("speech.raw", false);
    int packets = open_file("packets.bin", true);
    int decoded = open_file("base.raw", true);
    int played = open_file("played.raw", true);

    bool are_open() const
    {
        return speech >= 0 && packets >= 0 && decoded >= 0 && played >= 0;
    }
};

bool is_lost(uint32_t number)
{
    return (number >= 40 && number < 60) || number == 75 || number == 80 || number == 81;
}

bool store(const Packet &made, int file)
{
    const uint8_t head[3] = {static_cast<uint8_t>(made.bytes & 255),
                             static_cast<uint8_t>(made.bytes >> 8), made.speech};
    return write_file(file, head, sizeof head) && write_file(file, made.data, made.bytes);
}

// The far end: the base decoder hears of every packet, also of a lost one.
bool receive(uint32_t number, const Files &files)
{
    int16_t decoded[samples];
    if (is_lost(number)) {
        return base::decode(nullptr, 0, decoded);
    }
    return base::decode(packet.data, packet.bytes, decoded) &&
           write_file(files.decoded, decoded, sizeof decoded) &&
           receiver.receive(number, packet, decoded, files.played);
}

}  // namespace

int application()
{
    const Files files;
    if (!files.are_open()) {
        return 2;
    }
    if (!base::start() || !sender.start() || !receiver.start()) {
        return 3;
    }
    for (uint32_t number = 0; read_file(files.speech, pcm, sizeof pcm); number++) {
        if (!sender.send(pcm, packet) || !store(packet, files.packets)) {
            return 4;
        }
        if (!receive(number, files)) {
            return 5;
        }
    }
    return 0;
}
