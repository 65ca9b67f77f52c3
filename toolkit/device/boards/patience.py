# SPDX-License-Identifier: BSD-3-Clause
"""How long a board, an emulator or a tool may take, in seconds: all limits of this package.

Each limit exists to notice what is dead, so it is generous: a machine that does other work at the
same time must never look like a dead board. What has ended is noticed at once, without a limit.
The link's own limits are in toolkit/common/wire.toml.
"""

START_S = 60.0  # until a server process, or QEMU's pseudo-terminal, must be there
STOP_S = 5.0  # for a program to end by itself before it is killed
GDB_CONNECT_S = 60  # until a debug server must take a connection
GDB_ANSWER_S = 60  # for one answer to gdb
GDB_S = 600.0  # for all that gdb does: a megabyte through a slow probe
LOOK_S = 0.05  # between two looks at a program that has not ended
