// SPDX-License-Identifier: BSD-3-Clause
// The firmware of a board: the port, and the server on top.
#include "dredkit/port.h"
#include "dredkit/server.h"

int main(void)
{
    dk_port_init();
    dk_server_run();
    return 0;
}
