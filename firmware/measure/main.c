// SPDX-License-Identifier: BSD-3-Clause
// Measures a folder of `dredkit package` on a board: plays a call with one gap and sends the ticks
// of every call of a public function over the serial line, as text: a line "NAME TICKS" each, and
// "end". toolkit/measure/package/ writes speech.h, and reads the text.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dredkit/dredkit.h"
#include "dredkit/port.h"
#include "speech.h"

#define PACKETS_A_SECOND 50u

static void tell(const char *text)
{
    for (; *text != '\0'; text++) {
        dk_port_write((const uint8_t *)text, 1);
    }
}

static void tell_number(uint32_t number)
{
    char digits[11];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10u);
        number /= 10u;
    } while (number > 0u);
    tell(digits + at);
}

static void tell_cost(const char *name, uint32_t ticks)
{
    tell(name);
    tell(" ");
    tell_number(ticks);
    tell("\n");
}

// Run a call, and send its name and its ticks.
#define MEASURED(name, call) \
    do { \
        const uint32_t start = dk_port_work_ticks(); \
        call; \
        tell_cost(name, dk_port_work_ticks() - start); \
    } while (false)

#if defined(DK_SENDER_BYTES)
static dk_sender sender;
static uint8_t payload[1000];

// Send packet `packet` of the speech, and return the length of its payload.
static int32_t send(size_t packet)
{
    const size_t samples = DK_INPUT_RATE / PACKETS_A_SECOND;
    const int16_t *pcm = speech_in + packet * samples;
    const dk_sender_rate rate = dk_sender_rate_default();
    int32_t bytes;
    MEASURED("dk_sender_hear", (void)dk_sender_hear(&sender, pcm, samples, true));
    MEASURED("dk_sender_payload",
             bytes = dk_sender_payload(&sender, &rate, payload, sizeof payload));
    return bytes;
}
#else
static const uint8_t *const payload = speech_payload;

static int32_t send(size_t packet)
{
    (void)packet;
    return (int32_t)sizeof speech_payload;
}
#endif

#if defined(DK_RECEIVER_BYTES)
static dk_receiver receiver;
static int16_t played[DK_OUTPUT_RATE / PACKETS_A_SECOND];

// The packet after a gap has arrived: take its payload, and play the gap.
static void fill_gap(uint32_t from, uint32_t packets, int32_t bytes)
{
    const uint32_t samples = DK_OUTPUT_RATE / PACKETS_A_SECOND;
    const uint32_t now = (from + packets) * samples;
    MEASURED("dk_receiver_payload",
             (void)dk_receiver_payload(&receiver, now, payload, (size_t)bytes));
    int32_t wanted;
    do {
        MEASURED("dk_receiver_work", wanted = dk_receiver_work(&receiver, 1));
    } while (wanted > 0);
    for (uint32_t i = 0; i < packets; i++) {
        MEASURED("dk_receiver_lost", (void)dk_receiver_lost(&receiver, samples, played));
    }
}

// Packet `packet` arrives, unless it is lost. `bytes` is the length of its payload.
static void receive(uint32_t packet, int32_t bytes)
{
    const size_t samples = DK_OUTPUT_RATE / PACKETS_A_SECOND;
    if (packet >= SPEECH_LOST_FROM && packet < SPEECH_LOST_TO) {
        return;
    }
    if (packet == SPEECH_LOST_TO) {
        fill_gap(SPEECH_LOST_FROM, SPEECH_LOST_TO - SPEECH_LOST_FROM, bytes);
    }
    const int16_t *pcm = speech_out + packet * samples;
    MEASURED("dk_receiver_good", (void)dk_receiver_good(&receiver, pcm, samples, played));
}
#else
static void receive(uint32_t packet, int32_t bytes)
{
    (void)packet;
    (void)bytes;
}
#endif

// Start with the weights of the blob that speech.h has, or else with the linked-in ones.
static void start(void)
{
#if defined(SPEECH_WEIGHTS)
    static dk_weights opened;
    (void)dk_weights_open(&opened, speech_weights, sizeof speech_weights);
    const dk_weights *weights = &opened;
#else
    const struct dk_weights *weights = NULL;
#endif
#if defined(DK_SENDER_BYTES)
    dk_sender_config sending = dk_sender_config_default();
    sending.weights = weights;
    (void)dk_sender_init(&sender, &sending);
#endif
#if defined(DK_RECEIVER_BYTES)
    dk_receiver_config receiving = dk_receiver_config_default();
    receiving.weights = weights;
    (void)dk_receiver_init(&receiver, &receiving);
#endif
}

int main(void)
{
    dk_port_init();
    start();
    for (uint32_t packet = 0; packet < SPEECH_PACKETS; packet++) {
        receive(packet, send(packet));
    }
    tell("end\n");
    for (;;) {
    }
}
