// SPDX-License-Identifier: BSD-3-Clause
// The one error type of the firmware: zero or a positive count is success, negative is an error.
#ifndef DREDKIT_STATUS_H
#define DREDKIT_STATUS_H

typedef enum {
    DK_OK = 0,
    DK_ERR_ARGUMENT = -1,  // a pointer is NULL or a size is not the one agreed on
    DK_ERR_FRAME = -2,     // a frame is malformed: COBS, length or CRC
    DK_ERR_TYPE = -3,      // a frame of a type that this side does not take
    DK_ERR_SESSION = -4,   // no session is open, or the frame belongs to another one
    DK_ERR_ORDER = -5,     // a step that is neither the next one nor one still remembered
    DK_ERR_RANGE = -6,     // an index or length beyond what exists
    DK_ERR_OVERRUN = -7    // more bytes than the buffer holds
} dk_status;

#endif
