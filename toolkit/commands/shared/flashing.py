# SPDX-License-Identifier: BSD-3-Clause
"""What --server and --probe ask for, beside --port."""

from toolkit.common.errors import InputError
from toolkit.device.boards.probe import check_server
from toolkit.device.pipeline import Flasher
from toolkit.targets.target import Target


def flasher_of(
    board: Target, port: str | None, server: str | None, probe: str | None
) -> Flasher | None:
    """Return how the board at --port gets its image, or None if it has it already.

    Raises InputError for --server without a board at --port, and for --probe without --server.
    """
    if server is None:
        if probe is not None:
            raise InputError("--probe: it chooses a probe of --server; say which --server")
        return None
    check_server(server)
    if port is None or not board.is_board:
        raise InputError("--server: it flashes the board at --port; say which --port")
    return Flasher(server, probe)
