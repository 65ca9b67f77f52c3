// SPDX-License-Identifier: BSD-3-Clause
// The main program of a board: the port, and the server on top of it.
#include "dredkit/port.h"
#include "dredkit/server.h"

int main(void)
{
    dk_port_init();
    dk_server_run();
    return 0;
}
