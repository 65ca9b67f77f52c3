# SPDX-License-Identifier: BSD-3-Clause
"""The server as a process of this machine: the same C and the same link, without a board."""

import select
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

from toolkit.common.errors import BoardError, ToolError
from toolkit.device.boards import patience
from toolkit.targets.parts import Runner


class ProcessBoard:
    """A running server process; a context manager. `serial` is "socket" or "pty".

    A `runner` runs a program for another kind of machine. Raises ToolError if it is not installed.
    With `real_time` the process asks for SCHED_FIFO, and its ticks are the clock on the wall.
    """

    def __init__(
        self,
        program: Path,
        serial: str = "socket",
        runner: Runner | None = None,
        real_time: bool = False,
    ) -> None:
        words = [str(program), *(["--pty"] if serial == "pty" else ["--listen", "0"])]
        words += ["--real-time"] if real_time else []
        if runner is not None:
            words = [_installed(runner), *runner.args, *words]
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise BoardError(f"{program} cannot be started: {error.strerror}") from None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], patience.START_S)
        self.serial_url = self._process.stdout.readline().strip() if ready else ""
        if not self.serial_url:
            self.close()
            raise BoardError(
                f"{program} has ended: exit status {self._process.returncode}"
                if ready
                else f"{program}: gave no port to connect to within {patience.START_S:.0f} s"
            )

    def alive(self) -> bool:
        """Return whether the process still runs."""
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
                self._process.wait(patience.STOP_S)
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


def _installed(runner: Runner) -> str:
    found = shutil.which(runner.program)
    if found is None:
        raise ToolError(f"{runner.program} is missing: apt-get install {runner.package}")
    return found
