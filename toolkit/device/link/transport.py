# SPDX-License-Identifier: BSD-3-Clause
"""Send and receive bytes over any pyserial URL; every failure becomes one clear line.

`open_port` takes a device or pseudo terminal (/dev/ttyACM0, /dev/pts/3), socket://host:port,
rfc2217://host:port, or any other URL that pyserial knows.
"""

import errno
import os
import select
import socket
import time
from typing import Any, Protocol
from urllib.parse import urlsplit

import serial

from toolkit.common.closing import Closing
from toolkit.common.errors import LinkError
from toolkit.common.wire import WIRE

_AT_ONCE = 65536
_POLL_S = 0.002  # between two looks at a port that select() cannot wait for
_RETRY_S = 0.05


class PortLost(LinkError):
    """The port was there and went away: unplugged, or the emulator ended."""


class Transport(Protocol):
    """A byte stream to a board."""

    url: str

    def read(self, wait_s: float) -> bytes:
        """Return the bytes that have come, after up to `wait_s` for the first; empty if none came.

        Raises PortLost when the other end is gone.
        """

    def write(self, data: bytes) -> None:
        """Send all of `data`; raises PortLost when the other end is gone or takes nothing."""

    def close(self) -> None:
        """Give the port back; harmless when repeated."""


class SerialTransport(Closing):
    """A Transport over an opened pyserial port whose timeout is 0."""

    def __init__(self, url: str, port: Any) -> None:
        self.url = url
        self._port = port
        try:
            self._descriptor: int | None = port.fileno()
        except (AttributeError, OSError):
            self._descriptor = None

    def read(self, wait_s: float) -> bytes:
        try:
            if self._descriptor is not None:
                return self._read_now(self._descriptor, wait_s)
            deadline = time.monotonic() + wait_s
            while not (data := self._port.read(_AT_ONCE)) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            return bytes(data)
        except (OSError, ValueError, TypeError) as error:
            raise PortLost(f"{self.url}: the port went away (unplugged or killed)") from error

    def _read_now(self, descriptor: int, wait_s: float) -> bytes:
        """Read what is there. pyserial would read on, and lose it where the port then goes away."""
        if not select.select([descriptor], [], [], max(wait_s, 0.0))[0]:
            return b""
        try:
            data = os.read(descriptor, _AT_ONCE)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError("the other end is gone")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise PortLost(f"{self.url}: the port takes no bytes (board stopped)") from error
        except (OSError, ValueError, TypeError) as error:
            raise PortLost(f"{self.url}: the port went away (unplugged or killed)") from error

    def close(self) -> None:
        self._port.close()


class SocketTransport:
    """A Transport over one end of a connected socket."""

    def __init__(self, url: str, end: socket.socket) -> None:
        self.url = url
        self._end = end
        self._end.settimeout(WIRE.timeouts.write_s)

    def read(self, wait_s: float) -> bytes:
        try:
            if not select.select([self._end], [], [], max(wait_s, 0.0))[0]:
                return b""
            data = self._end.recv(_AT_ONCE)
        except (OSError, ValueError) as error:
            raise PortLost(f"{self.url}: the connection broke") from error
        if not data:
            raise PortLost(f"{self.url}: the other end is gone")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._end.sendall(data)
        except TimeoutError as error:
            raise PortLost(f"{self.url}: the other end takes no bytes") from error
        except OSError as error:
            raise PortLost(f"{self.url}: the connection broke") from error

    def close(self) -> None:
        self._end.close()


def open_port(url: str, *, baud: int = 115200, wait_s: float = 0.0) -> SerialTransport:
    """Open a port for exclusive use.

    An absent port is tried again for `wait_s` seconds, because an emulator may still be starting.
    Raises LinkError for a port that is absent, taken, not permitted, or no port at all.
    """
    deadline = time.monotonic() + wait_s
    options: dict[str, Any] = {"baudrate": baud, "timeout": 0}
    if not url.startswith("rfc2217:"):  # pyserial has no write timeout there
        options["write_timeout"] = WIRE.timeouts.write_s
    if "://" not in url:
        options["exclusive"] = True
    while True:
        try:
            port = serial.serial_for_url(url, **options)
        except (OSError, ValueError) as error:
            if time.monotonic() < deadline and _is_absent(error):
                time.sleep(_RETRY_S)
                continue
            raise LinkError(f"{url}: {_explain(url, error)}") from error
        return SerialTransport(url, port)


def check_port(url: str) -> None:
    """Refuse a port that cannot be opened, before anything is built for it. Raises LinkError.

    A device is opened and closed. For a URL, the scheme, the form and the host must be right, but
    nothing connects, because a server may take only one caller.
    """
    if "://" not in url:
        open_port(url).close()
        return
    try:
        port = serial.serial_for_url(url, do_not_open=True)
        scheme = url.split("://")[0].lower()
        if scheme in ("socket", "rfc2217"):
            split = urlsplit(url)
            if not split.hostname or not split.port:
                raise ValueError(f"it needs a host and a number: {scheme}://HOST:PORT")
            port.from_url(url)  # its options
            socket.getaddrinfo(split.hostname, split.port)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LinkError(f"{url}: {_explain(url, error)}") from error


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and the errors that caused it: pyserial wraps the system's errors."""
    found: list[BaseException] = []
    next_one: BaseException | None = error
    while next_one is not None and next_one not in found:
        found.append(next_one)
        next_one = next_one.__cause__ or next_one.__context__
    return found


def _number(error: BaseException) -> int | None:
    numbers = [cause.errno for cause in _causes(error) if isinstance(cause, OSError)]
    return next((number for number in numbers if number is not None), None)


def _is_absent(error: BaseException) -> bool:
    return _number(error) in (errno.ENOENT, errno.ECONNREFUSED)


def _explain(url: str, error: BaseException) -> str:
    """Say what is wrong with the port and what to do, from pyserial's error."""
    if any(isinstance(cause, socket.gaierror) for cause in _causes(error)):
        return "there is no such host"
    number = _number(error)
    if number == errno.ENOENT:
        return "there is no such port: is the board plugged in and the name right?"
    if number == errno.ECONNREFUSED:
        return "nothing listens there: is the board or emulator running?"
    if number in (errno.EACCES, errno.EPERM):
        return "no permission: add yourself to the group that owns it (often dialout)"
    if number in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in str(error):
        return "the port is taken by another program"
    if number in (errno.ENOTTY, errno.EINVAL, errno.EIO) or "configure port" in str(error):
        return "this is no serial port"
    if isinstance(error, ValueError | TypeError | KeyError):
        return f"not a port that pyserial knows ({error})"
    return f"cannot open the port ({error})"
