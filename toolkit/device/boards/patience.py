# SPDX-License-Identifier: BSD-3-Clause
"""The time that a board, an emulator or a tool may take, in seconds: all limits of this package.

A limit detects what is dead. All limits are generous, because a busy machine must never look like a
dead board. The end of a program is noticed at once, without a limit.
The link's own limits are in toolkit/common/wire.toml.
"""

START_S = 60.0  # for a server process, or QEMU's pseudo-terminal, to appear
STOP_S = 5.0  # for a program to end by itself before it is killed
GDB_CONNECT_S = 60  # for a debug server to take a connection
GDB_ANSWER_S = 60  # for one answer to gdb
GDB_S = 600.0  # for a whole run of gdb: a megabyte through a slow probe
TOOL_S = 600.0  # for a program that writes an image by itself
SSH_CONNECT_S = 15  # for a machine to answer ssh
SSH_COPY_S = 120.0  # for the server to be copied there
LABGRID_S = 60.0  # for labgrid's coordinator to say where a place is
LOOK_S = 0.05  # between two checks whether a program has ended
