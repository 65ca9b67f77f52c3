# SPDX-License-Identifier: BSD-3-Clause
"""The server as a process of another machine: copied there by ssh, spoken to through ssh, removed.

Nothing is asked of the other machine but a login without a password, a POSIX shell and mktemp.
"""

import re
import shlex
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from toolkit.common.closing import Closing
from toolkit.common.errors import InputError, LinkError, ToolError
from toolkit.device.boards import patience
from toolkit.device.link.transport import PortLost, SocketTransport

SCHEME: Final = "ssh://"
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9a-fA-F:]*:[0-9a-fA-F:.]*(%[A-Za-z0-9._-]+)?")
_MARK: Final = "dredkit-folder:"
_OWN_FAILURE: Final = 255  # ssh's exit status when ssh itself fails
_ILLEGAL: Final = 128 + 4  # of a program that SIGILL has ended
# The remote shell scripts have no single quotes: any login shell passes them on to sh.
# The server without arguments ends with status 2, which shows that this machine can run it.
# A connection that breaks gives a part of the file, or nobody to tell the folder to.
_COPY = """umask 077
d=$(mktemp -d "${TMPDIR:-/tmp}/dredkit-XXXXXX") || exit 1
clean() { rm -rf "$d"; exit 1; }
trap clean HUP INT TERM PIPE
cat >"$d/server" && chmod 700 "$d/server" || clean
if [ $(wc -c <"$d/server") -ne SIZE ]; then
    echo "the program arrived in part" >&2
    clean
fi
"$d/server" </dev/null >/dev/null 2>&1
if [ $? -eq 2 ]; then
    echo "MARK$d" && exit 0
else
    echo "this machine ($(uname -sm)) cannot run the program in $d" >&2
fi
clean
""".replace("MARK", _MARK)
_RUN = """d=FOLDER
clean() { rm -rf "$d"; }
trap clean EXIT
trap "exit 1" HUP INT TERM
"$d/server" --stdio OPTIONS
"""
_ADVICE: Final = {
    "Permission denied (": "let it in without a password: ssh-copy-id",
    "Host key verification failed": "log in by hand once, to accept its key",
}


@dataclass(frozen=True)
class Place:
    """Where ssh://USER@HOST:PORT leads; without user or port, ssh's configuration decides."""

    url: str
    host: str
    user: str | None
    port: int | None

    def command(self, script: str) -> list[str]:
        """Return the command line that runs a shell script there."""
        login = self.host if self.user is None else f"{self.user}@{self.host}"
        options = [
            "-T",
            "-oBatchMode=yes",
            f"-oConnectTimeout={patience.SSH_CONNECT_S}",
            "-oServerAliveInterval=15",
            *([] if self.port is None else [f"-p{self.port}"]),
        ]
        return [_ssh(), *options, login, f"sh -c {shlex.quote(script)}"]


def is_place(url: str) -> bool:
    """Return whether a --port is meant for this module."""
    return url.lower().startswith(SCHEME)


def check_place(url: str) -> Place:
    """Return the place that a URL names; connects to nothing.

    Raises InputError for a URL of another form, ToolError without ssh.
    """
    _ssh()
    try:
        split = urlsplit(url)
        found = Place(url, split.hostname or "", split.username, split.port)
    except ValueError as error:
        raise InputError(f"{url}: want ssh://USER@HOST or ssh://USER@HOST:PORT ({error})") from None
    rest = split.path.strip("/") or split.query or split.fragment or split.password
    user_fits = found.user is None or _USER.fullmatch(found.user)
    if rest or not _HOST.fullmatch(found.host) or not user_fits:
        raise InputError(f"{url}: want ssh://USER@HOST or ssh://USER@HOST:PORT")
    return found


class RemoteServer(SocketTransport, Closing):
    """A server that runs on another machine, and the transport to it; use as a context manager.

    Raises LinkError if the machine cannot be reached, or cannot run the program. When closed, the
    program ends and its folder is removed. With `real_time` it asks for SCHED_FIFO.
    """

    def __init__(self, program: Path, url: str, real_time: bool = False) -> None:
        self._place = check_place(url)
        self._folder = _copied(program, self._place)
        near, far = socket.socketpair()
        super().__init__(url, near)
        self._words: list[str] = []
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the rest
        script = _RUN.replace("FOLDER", shlex.quote(self._folder))
        script = script.replace("OPTIONS", "--real-time" if real_time else "")
        with far:
            # A session of its own: Ctrl-C ends the server through its input, which cleans up.
            self._process = subprocess.Popen(
                self._place.command(script),
                stdin=far.fileno(), stdout=far.fileno(), stderr=self._log, start_new_session=True,
            )  # fmt: skip

    def read(self, wait_s: float) -> bytes:
        try:
            return super().read(wait_s)
        except PortLost:
            raise PortLost(f"{self.url}: {self._last_words()}") from None

    def said(self) -> list[str]:
        """Return what the program there, and ssh, have said for people; all of it once closed."""
        if not self._log.closed:
            self._log.seek(0)
            self._words = self._log.read().decode(errors="replace").splitlines()
        return [line.strip() for line in self._words if line.strip()]

    def alive(self) -> bool:
        """Return whether the connection stands."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the connection at once, as by pulling the plug."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the server and remove what was copied; may be called twice."""
        super().close()
        try:
            self._process.wait(patience.STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.said()
        self._log.close()
        if self._folder and self._process.returncode != 0:
            # The remote shell may not have come to it. Nothing more can be done if this fails too.
            script = f"rm -rf {shlex.quote(self._folder)}"
            with suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    self._place.command(script),
                    stdin=subprocess.DEVNULL, capture_output=True,
                    timeout=patience.SSH_CONNECT_S, check=False,
                )  # fmt: skip
        self._folder = ""

    def _last_words(self) -> str:
        """Return in one line why the connection ended."""
        try:
            status = self._process.wait(patience.STOP_S)
        except subprocess.TimeoutExpired:
            return "the connection broke"
        if status == _ILLEGAL:
            return "that machine lacks an instruction of the program: is it the right target?"
        self._log.seek(0)
        return _reason(self._log.read(), status)


def _copied(program: Path, place: Place) -> str:
    """Copy a program into a folder of its own there, see that it runs, and return the folder."""
    data = program.read_bytes()
    try:
        done = subprocess.run(
            place.command(_COPY.replace("SIZE", str(len(data)))),
            input=data, capture_output=True,
            timeout=patience.SSH_COPY_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise LinkError(
            f"{place.url}: the program was not copied within {patience.SSH_COPY_S} s"
        ) from None
    lines = done.stdout.decode(errors="replace").splitlines()
    folders = [line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)]
    if done.returncode or not folders:
        raise LinkError(f"{place.url}: {_reason(done.stderr, done.returncode)}")
    return folders[-1]


def _reason(said: bytes, status: int) -> str:
    """Return ssh's or the remote shell's last line, and what to do about it."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        what = "ssh" if status == _OWN_FAILURE else "the program there"
        return f"{what} ended with exit status {status}"
    advice = next((cure for sign, cure in _ADVICE.items() if sign in lines[-1]), None)
    return lines[-1] if advice is None else f"{lines[-1].rstrip('.')}; {advice}"


def _ssh() -> str:
    found = shutil.which("ssh")
    if found is None:
        raise ToolError("ssh is missing: apt-get install openssh-client")
    return found
