// SPDX-License-Identifier: BSD-3-Clause
// Sender and receiver in one image, called from C++, without a base codec. The sender hears
// speech.pcm (mono int16 at 16 kHz); its packets reach the receiver of the same device, except for
// half of every second, and it plays into heard.pcm. The model's tables exist once.
#include <stdio.h>

#include "dredkit/dredkit.h"

namespace
{

constexpr size_t samples = 320;  // 20 ms
constexpr uint32_t delay = 30;   // of the jitter buffer, in packets: longer than a gap
constexpr uint32_t second = 50;  // packets
constexpr uint32_t first_lost = 20;
constexpr uint32_t first_after = 45;

dk_sender sender;
dk_receiver receiver;
int16_t sent[delay][samples];  // stands for what a base codec sends

bool lost(uint32_t n)
{
    return n % second >= first_lost && n % second < first_after;
}

// Send packet n. The receiver wants its redundancy if it arrives and the packet before it did not.
bool send_packet(uint32_t n, const int16_t *pcm)
{
    const dk_sender_rate rate = dk_sender_rate_default();
    uint8_t payload[DK_PACKET_PAYLOAD_MAX];
    if (dk_sender_hear(&sender, pcm, samples, dk_voice_activity(pcm, samples)) < 0) {
        return false;
    }
    const int32_t bytes = dk_sender_payload(&sender, &rate, payload, sizeof payload);
    if (bytes <= 0 || lost(n) || (n > 0 && !lost(n - 1))) {
        return bytes >= 0;
    }
    const uint32_t timestamp = n * samples;
    return dk_receiver_payload(&receiver, timestamp, payload, static_cast<size_t>(bytes)) >= 0;
}

bool play(uint32_t n, int16_t *out)
{
    (void)dk_receiver_work(&receiver, 1);
    const int32_t status = lost(n) ? dk_receiver_lost(&receiver, samples, out)
                                   : dk_receiver_good(&receiver, sent[n % delay], samples, out);
    return status >= 0;
}

}  // namespace

int main()
{
    FILE *speech = fopen("speech.pcm", "rb");
    FILE *heard = fopen("heard.pcm", "wb");
    if (speech == nullptr || heard == nullptr || dk_sender_init(&sender, nullptr) < 0 ||
        dk_receiver_init(&receiver, nullptr) < 0) {
        return 1;
    }
    int16_t out[samples];
    int16_t *pcm = sent[0];
    for (uint32_t n = 0; fread(pcm, sizeof sent[0], 1, speech) == 1; pcm = sent[++n % delay]) {
        if (!send_packet(n, pcm)) {
            return 1;
        }
        if (n + 1 >= delay) {
            if (!play(n + 1 - delay, out)) {
                return 1;
            }
            (void)fwrite(out, sizeof out, 1, heard);
        }
    }
    return fclose(heard);
}
