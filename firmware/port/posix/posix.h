// SPDX-License-Identifier: BSD-3-Clause
// port.h as a Linux process: the server behind a TCP port, a pseudo terminal or stdin and stdout.
#ifndef DREDKIT_POSIX_H
#define DREDKIT_POSIX_H

#include <stdbool.h>

// Listen on 127.0.0.1, or on all addresses, at a TCP port (0: any free one).
bool dk_posix_listen(const char *port, bool all_addresses);

// Open a pseudo terminal.
bool dk_posix_open_pty(void);

// Talk over stdin and stdout; the end of stdin ends the process.
void dk_posix_use_stdio(void);

#endif
