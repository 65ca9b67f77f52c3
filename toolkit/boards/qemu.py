# SPDX-License-Identifier: BSD-3-Clause
"""An emulated board: QEMU started blank, then flashed through gdb like any other board."""

import atexit
import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from toolkit.boards import gdb
from toolkit.errors import BoardError, InputError, ToolError
from toolkit.targets import Target

START_TIMEOUT = 10.0  # seconds until QEMU must have told its pseudo-terminal
STOP_TIMEOUT = 5.0  # seconds
SOCKET_URL = re.compile(r"^socket://([^:/]+):(\d+)$")
PTY_LINE = re.compile(r"char device redirected to (\S+)")


class QemuBoard:
    """A running emulated board. Use as a context manager, or call `close`.

    It starts blank and halted; `flash` writes an image and lets it run. `serial` is "socket" (any
    free port of 127.0.0.1), "socket://HOST:PORT" or "pty". `serial_url` is for pyserial. It ends
    with the thread that made it, so that nothing is left behind however this process ends.
    `options` are for QEMU's command line.
    """

    def __init__(
        self, target: Target, serial: str = "socket", options: tuple[str, ...] = ()
    ) -> None:
        emulator = target.emulator
        if emulator is None:
            raise InputError(f"{target.name} has no emulator: connect the board and give --port")
        program = shutil.which(emulator.program)
        if program is None:
            raise ToolError(f"{emulator.program} is missing: apt-get install {emulator.package}")
        self.target = target
        self.serial_url = ""
        self._server = gdb.SERVERS["qemu"]
        with contextlib.ExitStack() as files:
            # Bound here and handed over, so that no other program can take the port in between.
            serial_socket = None if serial == "pty" else files.enter_context(_port(serial))
            self._directory = tempfile.TemporaryDirectory(prefix="dredkit-")
            # A Unix socket: no port to clash, and no 40 ms of delayed acknowledgement a packet.
            self.gdb_address = str(Path(self._directory.name) / "gdb")
            self._log = Path(self._directory.name) / "log"
            command = [
                *_tied_to_us(), program, "-M", emulator.machine, "-nodefaults", "-display", "none",
                "-monitor", "none", "-S", "-icount", f"shift={emulator.icount_shift}",
                "-chardev", f"socket,id=gdb,path={self.gdb_address},server=on,wait=off",
                "-gdb", "chardev:gdb", *emulator.args, *options,
            ]  # fmt: skip
            passed = []
            if serial_socket is None:
                command += ["-chardev", "pty,id=serial"]
            else:
                host, port = serial_socket.getsockname()
                self.serial_url = f"socket://{host}:{port}"
                passed.append(serial_socket.fileno())
                command += [
                    "-chardev",
                    f"socket,id=serial,fd={passed[0]},server=on,wait=off,nodelay=on",
                ]
            command += ["-serial", "chardev:serial"]
            log = files.enter_context(self._log.open("wb"))
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=passed
            )
        atexit.register(self.close)
        if serial == "pty":
            self.serial_url = self._pty_path()

    def flash(self, image: Path) -> gdb.FlashReport:
        """Write an image, compare it, reset and let it run. Raises BoardError.

        After an error the board is dead: QEMU aborts when gdb leaves a blank one running.
        """
        try:
            return gdb.write_image(self._server, self.gdb_address, image, self.target)
        except BoardError:
            self.kill()
            raise

    def reset(self) -> None:
        """Press the reset button."""
        if not self.alive():
            raise BoardError(f"{self.target.name}: QEMU has ended: {self.last_words()}")
        gdb.reset(self._server, self.gdb_address, self.target)

    def alive(self) -> bool:
        """Whether the emulator still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the emulator at once, as by pulling the plug."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the emulator; may be called twice."""
        atexit.unregister(self.close)
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
        self._directory.cleanup()

    def last_words(self) -> str:
        """The last line that QEMU printed."""
        lines = self._said().strip().splitlines()
        return lines[-1].strip() if lines else f"exit status {self._process.returncode}"

    def __enter__(self) -> "QemuBoard":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _pty_path(self) -> str:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self.alive():
            found = PTY_LINE.search(self._said())
            if found:
                return found.group(1)
            time.sleep(0.01)
        words = self.last_words()
        self.close()
        raise BoardError(f"{self.target.name}: QEMU gave no pseudo-terminal: {words}")


def _tied_to_us() -> list[str]:
    """The prefix by which the kernel ends QEMU when we end, even killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _port(serial: str) -> socket.socket:
    if serial == "socket":
        return _listen("127.0.0.1", 0)
    url = SOCKET_URL.match(serial)
    if url is None:
        raise InputError(f"'{serial}' is no port of an emulated board: socket://HOST:PORT or pty")
    return _listen(url.group(1), int(url.group(2)))


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BoardError(f"port {host}:{port} cannot be used: {reason}") from None
    return listener
