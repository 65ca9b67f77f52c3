// SPDX-License-Identifier: BSD-3-Clause
// What the foreign application needs from its board or host.
#ifndef FILES_H
#define FILES_H

#include <stddef.h>

// The application; returns 0 if all went well. Start-up calls it.
int application();

// Open a file of the current folder. Returns a negative number on an error.
int open_file(const char *name, bool to_write);

// Read exactly `size` bytes; false at the file's end.
bool read_file(int file, void *data, size_t size);

// Write `size` bytes; false on an error.
bool write_file(int file, const void *data, size_t size);

// End the program.
[[noreturn]] void stop(int status);

#endif
