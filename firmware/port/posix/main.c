// SPDX-License-Identifier: BSD-3-Clause
// The command line of the server as a Linux process.
#include <stdio.h>
#include <string.h>

#include "dredkit/port.h"
#include "dredkit/server.h"
#include "posix.h"

static int usage(void)
{
    fputs("usage: firmware --listen PORT [--all-addresses] | --pty | --stdio [--real-time]\n"
          "Prints the URL that the host connects to, then serves until it is killed.\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    bool ready = false;
    if (argc >= 3 && strcmp(argv[argc - 1], "--real-time") == 0) {
        dk_posix_use_real_time();
        argc--;
    }
    if (argc >= 3 && strcmp(argv[1], "--listen") == 0) {
        bool all = argc == 4 && strcmp(argv[3], "--all-addresses") == 0;
        if (argc > 3 && !all) {
            return usage();
        }
        ready = dk_posix_listen(argv[2], all);
    } else if (argc == 2 && strcmp(argv[1], "--pty") == 0) {
        ready = dk_posix_open_pty();
    } else if (argc == 2 && strcmp(argv[1], "--stdio") == 0) {
        dk_posix_use_stdio();
        ready = true;
    } else {
        return usage();
    }
    if (!ready) {
        return 3;
    }
    dk_port_init();
    dk_server_run();
    return 0;
}
