// SPDX-License-Identifier: BSD-3-Clause
// A foreign C++ application in which sender and receiver run in one image: it sends speech.raw in
// packets of 20 ms, loses some, and plays the rest. payloads.bin gets each payload after its length
// as two bytes, played.raw what was played.
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

class Sender
{
  public:
    Sender()
    {
        ready_ = dk_sender_init(&sender_, nullptr) == DK_OK;
    }

    // Returns the length of the payload in `payload`, or a negative number.
    int32_t send(const int16_t *pcm, uint8_t *payload, size_t capacity)
    {
        if (!ready_ || dk_sender_hear(&sender_, pcm, samples_in, true) != DK_OK) {
            return -1;
        }
        return dk_sender_payload(&sender_, &rate_, payload, capacity);
    }

  private:
    dk_sender sender_;
    dk_sender_rate rate_ = dk_sender_rate_default();
    bool ready_ = false;
};

Sender sender;
int16_t pcm[samples_in];
uint8_t payload[250];

int run()
{
    const int speech = open_file("speech.raw", false);
    const int payloads = open_file("payloads.bin", true);
    if (speech < 0 || payloads < 0) {
        return 2;
    }
    while (read_file(speech, pcm, sizeof pcm)) {
        const int32_t bytes = sender.send(pcm, payload, sizeof payload);
        if (bytes < 0) {
            return 3;
        }
        const uint8_t length[2] = {static_cast<uint8_t>(bytes & 255),
                                   static_cast<uint8_t>(bytes >> 8)};
        if (!write_file(payloads, length, sizeof length) ||
            !write_file(payloads, payload, static_cast<size_t>(bytes))) {
            return 4;
        }
    }
    return 0;
}

}  // namespace

int application()
{
    return gru_1 == 1 && tables[3] == 4 ? run() : 1;
}
