# SPDX-License-Identifier: BSD-3-Clause
"""An emulated board: QEMU started blank, then flashed through gdb like any other board."""

import atexit
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from toolkit.common.closing import Closing
from toolkit.common.errors import BoardError, InputError, ToolError
from toolkit.device.boards import gdb, patience
from toolkit.device.boards.shared_ram import SharedRam
from toolkit.device.flash.report import FlashReport
from toolkit.targets.target import Target

SOCKET_PATH_BYTES = 103  # the longest name of a Unix socket on any system
HIGHEST_PORT = 65535
GDB_SOCKET = "gdb"
RTT_FILE = "ram"  # a board's RAM in the temporary folder, if its link is RTT
PREFIX = "dredkit-"  # of a temporary folder; tempfile adds 8 letters
SOCKET_URL = re.compile(r"^socket://([^:/]+):(\d+)$")
VERSION = re.compile(r"version (\d+)\.(\d+)")
PTY_LINE = re.compile(r"char device redirected to (\S+)")


class QemuBoard(Closing):
    """A running emulated board. Use as a context manager, or call `close`.

    It starts blank and halted; `flash` writes an image and lets it run. `serial` is "socket" (any
    free port of 127.0.0.1), "socket://HOST:PORT" or "pty". `serial_url` is for pyserial. A board
    whose link is RTT has `ram` in place of a serial port, and `serial_url` names its file. QEMU
    ends with the thread that started it, so that nothing stays behind, however this process ends.
    `options` go on QEMU's command line.
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
        if emulator.since:
            _need_version(program, emulator.since, target)
        self.target = target
        self.serial_url = ""
        self.ram: SharedRam | None = None
        self._server = gdb.SERVERS["qemu"]
        self._directory = _folder()
        self.gdb_address = str(Path(self._directory.name) / GDB_SOCKET)
        self._log = Path(self._directory.name) / "log"
        try:
            machine = [emulator.machine]
            if target.uart is not None and target.uart.is_rtt:
                machine = self._share_ram(machine)
            command = [
                *_tied_to_us(), program, "-M", *machine, "-nodefaults", "-display", "none",
                "-monitor", "none", "-S", "-icount", f"shift={emulator.icount_shift}",
                *emulator.args, *options,
            ]  # fmt: skip
            self._process = self._start(command, serial)
        except BaseException:
            self._directory.cleanup()
            raise
        atexit.register(self.close)
        if serial == "pty" and self.ram is None:
            self.serial_url = self._pty_path()

    def _share_ram(self, machine: list[str]) -> list[str]:
        """Make the file of the board's RAM; return the words after -M that make QEMU use it."""
        assert self.target.emulator is not None
        named = self.target.emulator.ram
        memory = next((memory for memory in self.target.memories if memory.name == named), None)
        if memory is None:
            raise InputError(
                f"{self.target.name}: an emulated board has no debug probe for uart.driver = "
                '"rtt": emulator.ram names the memory that QEMU shares in its place'
            )
        path = Path(self._directory.name) / RTT_FILE
        self.ram = SharedRam(path, memory.origin, memory.length)
        self.serial_url = str(path)
        place = str(path).replace(",", ",,")  # QEMU's own escape
        backend = f"memory-backend-file,id=ram,share=on,size={memory.length},mem-path={place}"
        return [f"{machine[0]},memory-backend=ram", "-object", backend]

    def _start(self, command: list[str], serial: str) -> "subprocess.Popen[bytes]":
        """Start QEMU with a socket for gdb and the asked port for the UART."""
        with contextlib.ExitStack() as files:
            # Both sockets listen before QEMU starts. No other program can take the port in between,
            # and gdb, which gives up at once where there is no Unix socket, can always connect.
            # A Unix socket has no port to clash, and no delayed acknowledgement of 40 ms a packet.
            gdb_socket = files.enter_context(_listen(socket.AF_UNIX, self.gdb_address))
            passed = [gdb_socket.fileno()]
            command += ["-chardev", f"socket,id=gdb,fd={passed[0]},server=on,wait=off"]
            command += ["-gdb", "chardev:gdb"]
            if self.ram is not None:
                command += ["-chardev", "null,id=serial"]
            elif serial == "pty":
                command += ["-chardev", "pty,id=serial"]
            else:
                serial_socket = files.enter_context(_port(serial))
                host, port = serial_socket.getsockname()
                self.serial_url = f"socket://{host}:{port}"
                passed.append(serial_socket.fileno())
                command += [
                    "-chardev",
                    f"socket,id=serial,fd={passed[1]},server=on,wait=off,nodelay=on",
                ]
            command += ["-serial", "chardev:serial"]
            log = files.enter_context(self._log.open("wb"))
            try:
                return subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=passed
                )
            except OSError as error:
                raise ToolError(f"{command[0]} cannot be started: {error.strerror}") from None

    def flash(self, image: Path) -> FlashReport:
        """Write an image, compare it, reset and let it run. Raises BoardError.

        After an error the board is dead: QEMU aborts when gdb leaves a blank board running.
        """
        try:
            with self._named_if_ended():
                return gdb.write_image(
                    self._server, self.gdb_address, image, self.target, self.alive
                )
        except BoardError:
            self.kill()
            raise

    def reset(self) -> None:
        """Press the reset button."""
        with self._named_if_ended():
            gdb.reset(self._server, self.gdb_address, self.target, self.alive)

    @contextlib.contextmanager
    def _named_if_ended(self) -> Iterator[None]:
        """Report that QEMU has ended, in its own words, in place of gdb's error."""
        try:
            yield
        except gdb.NoAnswer as error:
            # QEMU's sockets close a moment before its end can be seen.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience.STOP_S)
                raise BoardError(self.ended()) from error
            raise

    def ended(self) -> str:
        """Return the line that reports that QEMU has ended, in its own words."""
        return f"{self.target.name}: QEMU has ended: {self.last_words()}"

    def alive(self) -> bool:
        """Return whether the emulator still runs."""
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
                self._process.wait(patience.STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.ram is not None:
            self.ram.close()
        self._directory.cleanup()

    def last_words(self) -> str:
        """Return QEMU's first line about an error, or else the last line that it printed."""
        lines = [line.strip() for line in self._said().splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("qemu") and "warning:" not in line]
        return (
            [*lines[-1:], *errors[:1]][-1] if lines else f"exit status {self._process.returncode}"
        )

    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _pty_path(self) -> str:
        deadline = time.monotonic() + patience.START_S
        while self.alive() and time.monotonic() < deadline:
            found = PTY_LINE.search(self._said())
            if found:
                return found.group(1)
            time.sleep(0.01)
        silent = f"{self.target.name}: QEMU gave no pseudo-terminal: {self.last_words()}"
        words = silent if self.alive() else self.ended()
        self.close()
        raise BoardError(words)


def version_of(program: str) -> tuple[int, int] | None:
    """Return the version of a QEMU, or None if it does not tell."""
    try:
        said = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=patience.GDB_ANSWER_S, check=False,
        ).stdout  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = VERSION.search(said)
    return (int(found[1]), int(found[2])) if found else None


def _need_version(program: str, since: str, target: Target) -> None:
    """Raise ToolError if a QEMU is older than the first version that has a board."""
    have = version_of(program)
    major, minor = since.split(".")
    if have is not None and have < (int(major), int(minor)):
        raise ToolError(
            f"{target.name}: {program} is version {have[0]}.{have[1]}; QEMU has this board since "
            f"{since} (Debian 13, or bookworm-backports)"
        )


def _folder() -> "tempfile.TemporaryDirectory[str]":
    """Return a temporary folder for sockets: in /tmp if TMPDIR is too long for their names.

    It is also in /tmp if gdb would misread the name: a name with a colon as a host, or a name with
    a line break as two lines.
    """
    room = SOCKET_PATH_BYTES - len(f"/{PREFIX}{'x' * 8}/{GDB_SOCKET}")
    parent = tempfile.gettempdir()
    fits = len(os.fsencode(parent)) <= room and parent.isprintable() and ":" not in parent
    return tempfile.TemporaryDirectory(prefix=PREFIX, dir=None if fits else "/tmp")


def _tied_to_us() -> list[str]:
    """Return the command prefix that lets the kernel end QEMU when we end, even if we are killed.

    We may end before the kernel is told so. Therefore the shell starts QEMU only while we are its
    parent.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    start = 'test "$PPID" = "$0" && exec "$@"'
    return [setpriv, "--pdeathsig", "KILL", "/bin/sh", "-c", start, str(os.getpid())]


def _port(serial: str) -> socket.socket:
    if serial == "socket":
        return _listen(socket.AF_INET, ("127.0.0.1", 0))
    host, port = parse_serial(serial)
    return _listen(socket.AF_INET, (host, port))


def check_serial(serial: str) -> None:
    """Raise InputError for a text that names no port for an emulated UART; opens nothing."""
    if serial not in ("socket", "pty"):
        parse_serial(serial)


def parse_serial(serial: str) -> tuple[str, int]:
    """Return host and port of socket://HOST:PORT. Raises InputError for anything else."""
    url = SOCKET_URL.match(serial)
    if url is None or int(url.group(2)) > HIGHEST_PORT:
        raise InputError(f"'{serial}' is no port of an emulated board: socket://HOST:PORT or pty")
    return url.group(1), int(url.group(2))


def _listen(family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
    listener = socket.socket(family)
    try:
        if family == socket.AF_INET:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1)
    except OSError as error:
        listener.close()
        where = address if isinstance(address, str) else "{}:{}".format(*address)
        raise BoardError(f"port {where} cannot be used: {error.strerror}") from None
    return listener
