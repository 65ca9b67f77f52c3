// SPDX-License-Identifier: BSD-3-Clause
// A foreign C++ application in which sender and receiver run in one image. It sends speech.raw in
// packets of 20 ms with redundancy, loses some, and plays the rest. packets.bin gets each packet
// after its length as two bytes, played.raw what was played.
//
// A packet's main payload is a stand-in for a base codec's: the receiver takes the speech itself as
// what a base decoder made of the packet.
#include <stddef.h>
#include <stdint.h>

#include <dredkit/dredkit.h>

#include "files.h"

// Names that a product may well have; the library must not have them too.
int gru_1 = 1;
int tables[4] = {1, 2, 3, 4};

namespace
{

constexpr size_t packets_a_second = 50;
constexpr size_t samples_in = DK_INPUT_RATE / packets_a_second;
constexpr size_t samples_out = DK_OUTPUT_RATE / packets_a_second;
constexpr size_t most_bytes = 300;
static_assert(samples_in == samples_out, "one recording serves both");

struct Packet {
    uint8_t data[most_bytes];
    size_t bytes;
};

class Sender
{
  public:
    bool start()
    {
        return dk_sender_init(&sender_, nullptr) == DK_OK;
    }

    // Make the packet of 20 ms of speech; false if that fails.
    bool send(const int16_t *pcm, Packet &packet)
    {
        constexpr size_t main_bytes = 21;
        packet.data[0] = 0x48;  // SILK, 16 kHz, mono, one frame of 20 ms
        for (size_t i = 1; i < main_bytes; i++) {
            packet.data[i] = static_cast<uint8_t>(i);
        }
        packet.bytes = main_bytes;
        if (dk_sender_hear(&sender_, pcm, samples_in, true) != DK_OK) {
            return false;
        }
        uint8_t payload[most_bytes - main_bytes - DK_PACKET_OVERHEAD];
        const int32_t bytes = dk_sender_payload(&sender_, &rate_, payload, sizeof payload);
        if (bytes <= 0) {
            return bytes == 0;
        }
        const int32_t grown = dk_packet_add(packet.data, main_bytes, sizeof packet.data, payload,
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
        int16_t out[samples_out];
        for (; played_ != number; played_++) {
            if (dk_receiver_lost(&receiver_, samples_out, out) != DK_OK ||
                !write_file(file, out, sizeof out)) {
                return false;
            }
        }
        played_++;
        return dk_receiver_good(&receiver_, pcm, samples_out, out) == DK_OK &&
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
        const size_t time = number * samples_out + found.frame_offset * unit;
        return dk_receiver_payload(&receiver_, static_cast<uint32_t>(time), found.payload,
                                   found.bytes) > 0;
    }

    dk_receiver receiver_;
    uint32_t played_ = 0;
};

Sender sender;
Receiver receiver;
int16_t pcm[samples_in];
Packet packet;

bool is_lost(uint32_t number)
{
    return (number >= 40 && number < 60) || number == 75 || number == 80 || number == 81;
}

bool store(const Packet &made, int file)
{
    const uint8_t length[2] = {static_cast<uint8_t>(made.bytes & 255),
                               static_cast<uint8_t>(made.bytes >> 8)};
    return write_file(file, length, sizeof length) && write_file(file, made.data, made.bytes);
}

int run()
{
    const int speech = open_file("speech.raw", false);
    const int packets = open_file("packets.bin", true);
    const int played = open_file("played.raw", true);
    if (speech < 0 || packets < 0 || played < 0) {
        return 2;
    }
    if (!sender.start() || !receiver.start()) {
        return 3;
    }
    for (uint32_t number = 0; read_file(speech, pcm, sizeof pcm); number++) {
        if (!sender.send(pcm, packet) || !store(packet, packets)) {
            return 4;
        }
        if (!is_lost(number) && !receiver.receive(number, packet, pcm, played)) {
            return 5;
        }
    }
    return 0;
}

}  // namespace

int application()
{
    return gru_1 == 1 && tables[3] == 4 ? run() : 1;
}
