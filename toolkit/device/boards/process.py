# SPDX-License-Identifier: BSD-3-Clause
"""The server as a process of this machine: the same C and the same link, without a board."""

import contextlib
import select
import shutil
import subprocess
import tempfile
from pathlib import Path

from toolkit.common.closing import Closing
from toolkit.common.errors import BoardError, ToolError
from toolkit.device.boards import patience
from toolkit.targets.parts import Runner


class ProcessBoard(Closing):
    """A running server process; a context manager. `serial` is "socket" or "pty".

    A `runner` runs a program for another kind of machine. Raises ToolError if it is not installed.
    With `real_time` the process asks for SCHED_FIFO, its ticks are the clock on the wall, and it
    ends with its first host; `said` then has what it says for people.
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
        self._ends_itself = real_time
        self._said: list[str] = []
        self.serial_url = ""
        self._log = tempfile.TemporaryFile() if real_time else None  # noqa: SIM115 - closed below
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, text=True
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

    def said(self) -> list[str]:
        """Return what a real-time process has said for people, once it is closed."""
        return self._said

    def close(self) -> None:
        """End the process; may be called twice."""
        if self._ends_itself and self.serial_url:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience.STOP_S)
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(patience.STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._log is not None:
            self._log.seek(0)
            self._said = self._log.read().decode(errors="replace").splitlines()
            self._log.close()
            self._log = None


def _installed(runner: Runner) -> str:
    found = shutil.which(runner.program)
    if found is None:
        raise ToolError(f"{runner.program} is missing: apt-get install {runner.package}")
    return found
