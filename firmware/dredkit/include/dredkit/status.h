// SPDX-License-Identifier: BSD-3-Clause
// Written by toolkit/codegen/constants/status.py: do not edit.
// The firmware's only error type: zero or a positive count is success, a negative value an error. A
// function that returns a count returns int32_t; if it fails, it returns a negative dk_status. The
// values go over the wire (toolkit/common/wire.toml), so existing values keep their meaning.
#ifndef DREDKIT_STATUS_H
#define DREDKIT_STATUS_H

typedef enum {
    DK_OK = 0,
    DK_ERR_ARGUMENT = -1,         // a pointer is NULL, or a parameter or size is not allowed
    DK_ERR_FRAME = -2,            // a frame is malformed: COBS, length or CRC
    DK_ERR_TYPE = -3,             // this side does not take frames of this type
    DK_ERR_SESSION = -4,          // no session is open, or the frame belongs to another session
    DK_ERR_ORDER = -5,            // a step is neither the next one nor still remembered
    DK_ERR_RANGE = -6,            // an index or length beyond what exists
    DK_ERR_OVERRUN = -7,          // more bytes than the buffer holds
    DK_ERR_RATE = -8,             // not 8000, 12000, 16000, 24000 or 48000 samples a second
    DK_ERR_LENGTH = -9,           // a payload of 0 or more than 1000 bytes
    DK_ERR_SHORT = -10,           // a payload ends inside its header or its state
    DK_ERR_SYMBOL = -11,          // a payload holds a symbol beyond 16 bits
    DK_ERR_PACKET = -12,          // an Opus packet breaks a rule of RFC 6716
    DK_ERR_EXTENSION = -13,       // an Opus packet's padding holds malformed extensions
    DK_ERR_PRESENT = -14,         // an Opus packet already has this extension, or would repeat it
    DK_ERR_BLOB_FORMAT = -15,     // not a weights blob, or one of another format version
    DK_ERR_BLOB_SIZE = -16,       // a weights blob is longer than the bytes given
    DK_ERR_BLOB_ALIGNMENT = -17,  // a weights blob does not start at a multiple of 16 bytes
    DK_ERR_BLOB_TARGET = -18,     // a weights blob is for another instruction set
    DK_ERR_BLOB_TOPOLOGY = -19,   // a weights blob is for networks of another structure
    DK_ERR_BLOB_SUM = -20,        // a weights blob is damaged: its checksum is wrong
    DK_ERR_BLOB_SECTION = -21,    // a weights blob's sections are not those of this firmware
    DK_ERR_BLOB_VALUE = -22       // a weights blob has a value that the kernels do not take
} dk_status;

#endif
