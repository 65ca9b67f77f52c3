// SPDX-License-Identifier: BSD-3-Clause
// The foreign application's files on a host.
#include <fcntl.h>
#include <unistd.h>

#include <stdlib.h>

#include "files.h"

int open_file(const char *name, bool to_write)
{
    return to_write ? open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644) : open(name, O_RDONLY);
}

bool read_file(int file, void *data, size_t size)
{
    return read(file, data, size) == static_cast<ssize_t>(size);
}

bool write_file(int file, const void *data, size_t size)
{
    return write(file, data, size) == static_cast<ssize_t>(size);
}

void stop(int status)
{
    exit(status);
}

int main()
{
    return application();
}
