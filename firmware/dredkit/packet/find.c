// SPDX-License-Identifier: BSD-3-Clause
// Finds a payload in an untrusted packet: dredkit/packet.h.
#include <string.h>

#include "packet/framing.h"

// clang-format off
#define LIBOPUS_1_6 {.id = 126, .prefix_bytes = 2, .prefix = {'D', 12}}
#define DRAFTS {.id = 32}
// clang-format on

const dk_packet_framing dk_packet_libopus_1_6 = LIBOPUS_1_6;
const dk_packet_framing dk_packet_drafts = DRAFTS;
const dk_packet_framing dk_packet_framings[2] = {LIBOPUS_1_6, DRAFTS};

bool dk_framing_is_sound(const dk_packet_framing *framing)
{
    return framing->id >= DK_EXTENSION_FIRST_LONG && framing->id <= INT8_MAX &&
           framing->prefix_bytes <= DK_PACKET_PREFIX_MAX;
}

// Note the payload in an extension with the framing's ID and return true; or note the other
// version.
static bool read_framed(const dk_packet_framing *framing, const dk_extension *extension,
                        dk_packet_found *found)
{
    const size_t marks = framing->prefix_bytes;
    if (extension->bytes <= marks) {
        return false;
    }
    if (marks > 0 && memcmp(extension->data, framing->prefix, marks - 1) != 0) {
        return false;
    }
    if (marks > 0 && extension->data[marks - 1] != framing->prefix[marks - 1]) {
        if (found->other_version < 0) {
            found->other_version = extension->data[marks - 1];
        }
        return false;
    }
    found->payload = extension->data + marks;
    found->bytes = extension->bytes - marks;
    return true;
}

int32_t dk_packet_find(const uint8_t *packet, size_t bytes, const dk_packet_framing *framings,
                       size_t count, dk_packet_found *found)
{
    if (found == NULL) {
        return DK_ERR_ARGUMENT;
    }
    *found = (dk_packet_found){.other_version = -1};
    if (packet == NULL || (framings == NULL && count > 0) || count > UINT8_MAX) {
        return DK_ERR_ARGUMENT;
    }
    for (size_t i = 0; i < count; i++) {
        if (!dk_framing_is_sound(&framings[i])) {
            return DK_ERR_ARGUMENT;
        }
    }
    dk_opus_packet parts;
    const int32_t error = dk_opus_packet_parse(packet, bytes, &parts);
    if (error < 0) {
        return error;
    }
    dk_extension_reader reader;
    dk_extension extension;
    int32_t result = 0;
    dk_extension_begin(&reader, packet, &parts);
    while ((result = dk_extension_next(&reader, &extension)) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (framings[i].id == extension.id && read_framed(&framings[i], &extension, found)) {
                found->frame_offset = (uint8_t)(extension.frame * parts.frame_units);
                found->framing = (uint8_t)i;
                found->other_version = -1;
                return (int32_t)found->bytes;
            }
        }
    }
    if (result < 0) {
        found->other_version = -1;
    }
    return result;
}
