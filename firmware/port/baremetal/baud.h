// SPDX-License-Identifier: BSD-3-Clause
// The check of a UART's rate. Sender and receiver may differ by about 4 % in all over the ten bits
// of a byte. 2 % of that is left to the other end and to both oscillators.
#ifndef DREDKIT_BAREMETAL_BAUD_H
#define DREDKIT_BAREMETAL_BAUD_H

#include <stdint.h>

// The distance of two numbers of 64 bits.
#define DK_BAUD_DISTANCE(a, b) ((a) > (b) ? (a) - (b) : (b) - (a))

// Whether `clock` Hz divided by `parts` / `unit` is within 2 % of `baud`. A constant expression
// where its arguments are constant. `parts` x `baud` must be below 2^57.
#define DK_BAUD_FITS(clock, baud, parts, unit) \
    (DK_BAUD_DISTANCE((uint64_t)(clock) * (unit), (uint64_t)(baud) * (parts)) * 50u <= \
     (uint64_t)(baud) * (parts))

#endif
