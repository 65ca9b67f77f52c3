# SPDX-License-Identifier: BSD-3-Clause
"""The server as a process of this machine: the same C behind the same link, without a board."""

import select
import subprocess
from pathlib import Path
from types import TracebackType

from toolkit.errors import BoardError

START_TIMEOUT = 10.0  # seconds until the process must have printed its URL
STOP_TIMEOUT = 5.0  # seconds


class ProcessBoard:
    """A running server process; a context manager. `serial` is "socket" or "pty"."""

    def __init__(self, program: Path, serial: str = "socket") -> None:
        words = ["--pty"] if serial == "pty" else ["--listen", "0"]
        self._process = subprocess.Popen(
            [str(program), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT)
        self.serial_url = self._process.stdout.readline().strip() if ready else ""
        if not self.serial_url:
            self.close()
            raise BoardError(f"{program}: gave no port to connect to within {START_TIMEOUT:.0f} s")

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once, as by pulling the plug."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process; may be called twice."""
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> "ProcessBoard":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
