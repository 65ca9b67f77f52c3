// SPDX-License-Identifier: BSD-3-Clause
// libopus 1.6's policy for levels, depth and budget of the redundancy.
#include "dred/policy.h"

#define BITRATE_MAX 510000
#define DURATION_MAX 104
#define UNITS_MAX 48
#define UNITS_PER_SECOND 400
#define FRAMING_TENTHS 400  // code 3, padding length, extension ID; 'D' and the version
#define STATE_TENTHS 500    // the state costs this, plus one chunk at q0

// A chunk's cost at each level, in tenths of a bit: libopus' estimate for its own tables.
static const uint16_t chunk_tenths[DK_DRED_LEVELS] = {732, 681, 625, 570, 515, 457, 399, 324,
                                                      264, 204, 163, 130, 93,  82,  72,  64};

static unsigned bit_length(uint32_t x)
{
    unsigned length = 0;
    for (; x > 0; x >>= 1) {
        length++;
    }
    return length;
}

static uint8_t first_level(int32_t available)
{
    const int32_t q0 = 51 - 3 * (int32_t)bit_length(available > 1 ? (uint32_t)available : 1u);
    if (q0 < 4) {
        return 4;
    }
    return (uint8_t)(q0 < 15 ? q0 : 15);
}

static uint32_t share_percent(uint32_t loss, bool lbrr)
{
    if (lbrr) {
        return 3 * loss < 70 ? 3 * loss : 70;
    }
    if (loss <= 5) {
        return 12 * loss;
    }
    return 55 + loss < 80 ? 55 + loss : 80;
}

int32_t dk_dred_libopus_policy(const dk_dred_policy_request *request, dk_dred_rate *rate)
{
    if (request == NULL || rate == NULL || request->bitrate > BITRATE_MAX || request->loss > 100 ||
        request->duration > DURATION_MAX || request->units == 0 || request->units > UNITS_MAX) {
        return DK_ERR_ARGUMENT;
    }
    const int32_t available = (int32_t)request->bitrate - (request->lbrr ? 20000 : 12000);
    const uint32_t percent = share_percent(request->loss, request->lbrr);
    // Longer packets need less: the share p becomes p / (p + (1 - p) packet / 20 ms).
    const uint32_t weight = 8 * percent;
    const uint32_t share = (available > 0 ? (uint32_t)available : 0u) * weight /
                           (weight + (100 - percent) * request->units);
    const dk_dred_header header = {first_level(available), available > 36000 ? 3 : 5, 15, 0};
    const uint32_t budget = 10 * (share * request->units / UNITS_PER_SECOND);
    const unsigned wanted = request->duration > 0 ? (request->duration + 5u) / 4 : 0;
    uint32_t tenths = FRAMING_TENTHS + STATE_TENTHS + chunk_tenths[header.q0];
    unsigned affordable = 0;
    for (unsigned chunk = 0; chunk < wanted && chunk < DK_DRED_MAX_CHUNKS; chunk++) {
        tenths += chunk_tenths[dk_dred_level(&header, chunk)];
        if (tenths < budget) {
            affordable = chunk + 1;
        }
    }
    if (affordable < 2) {
        return 0;
    }
    *rate = (dk_dred_rate){
        .q0 = header.q0,
        .dq = header.dq,
        .qmax = header.qmax,
        .max_chunks = (uint8_t)affordable,
        .max_bytes = DK_DRED_MAX_BYTES,
    };
    const uint32_t most = (tenths + 5) / 10 * UNITS_PER_SECOND / request->units;
    return (int32_t)(share < most ? share : most);
}
