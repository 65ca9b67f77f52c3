# SPDX-License-Identifier: BSD-3-Clause
"""A link through the board's own memory: SEGGER's Real Time Transfer (RTT), read by pyOCD.

The firmware's side is firmware/port/cortexm/rtt.h. A debug probe reads and writes the rings while
the core runs. Whatever has pyOCD's methods for memory will do in place of a probe.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from toolkit.common.closing import Closing
from toolkit.common.errors import LinkError
from toolkit.common.wire import WIRE
from toolkit.device.link.transport import PortLost

_POLL_S: Final = 0.001  # between two looks at a ring; a probe itself takes about as long
_RETRY_S: Final = 0.05  # between two looks for the control block


class Memory(Protocol):
    """The memory of a board that runs: what pyOCD's RTT uses of its target."""

    def read_memory_block8(self, addr: int, size: int) -> Sequence[int]:
        """Return `size` bytes."""

    def read_memory_block32(self, addr: int, size: int) -> Sequence[int]:
        """Return `size` words of 32 bits."""

    def write_memory_block8(self, addr: int, data: Sequence[int]) -> None:
        """Write bytes."""

    def read32(self, addr: int) -> int:
        """Return a word of 32 bits."""

    def write32(self, addr: int, value: int) -> None:
        """Write a word of 32 bits at once."""


class RttTransport(Closing):
    """A Transport over the first ring of each direction; use as a context manager.

    `address` is the control block's, or with `size` the start of the bytes to search. The block is
    waited for during `wait_s` seconds: the board may still be starting. `done` gives the memory
    back. Raises LinkError if no block appears. pyOCD must be installed.
    """

    def __init__(
        self,
        url: str,
        memory: Memory,
        address: int | None,
        size: int | None = None,
        *,
        wait_s: float = 0.0,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = url
        self._done: Callable[[], None] | None = done
        self._held = b""  # what came while write() waited for room
        try:
            self._up, self._down = _rings(url, memory, address, size, wait_s)
        except BaseException:
            self.close()
            raise

    def read(self, wait_s: float) -> bytes:
        """Return the bytes that have come, after up to `wait_s` for the first."""
        data, self._held = self._held, b""
        deadline = time.monotonic() + wait_s
        while not (data := data + self._ask(self._up.read)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`.

        While the board takes none, its answers are taken: it may be waiting for room itself.
        Raises PortLost if it takes none for `write_s`.
        """
        deadline = time.monotonic() + WIRE.timeouts.write_s
        while data:
            count: int = self._ask(partial(self._down.write, data))
            if count:
                data = data[count:]
                deadline = time.monotonic() + WIRE.timeouts.write_s
                continue
            self._held += self._ask(self._up.read)
            if time.monotonic() > deadline:
                raise PortLost(f"{self.url}: the board takes no bytes (stopped)")
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Give the probe back; harmless when repeated."""
        done, self._done = self._done, None
        if done is not None:
            done()

    def _ask(self, what: Callable[[], Any]) -> Any:
        from pyocd.core.exceptions import Error

        if self._done is None:
            raise PortLost(f"{self.url}: the link is closed")
        try:
            return what()
        except (Error, OSError, ValueError) as error:
            raise PortLost(f"{self.url}: the probe lost the board ({error})") from error


def _rings(
    url: str, memory: Memory, address: int | None, size: int | None, wait_s: float
) -> tuple[Any, Any]:
    """Find the control block; return its first ring up and down as pyOCD has them."""
    from pyocd.core.exceptions import Error, RTTError
    from pyocd.debug.rtt import RTTControlBlock

    deadline = time.monotonic() + wait_s
    while True:
        try:
            block = RTTControlBlock.from_target(memory, address, size)
            block.start()
            if block.up_channels and block.down_channels:
                return block.up_channels[0], block.down_channels[0]
        except RTTError:
            pass
        except (Error, OSError, ValueError) as error:
            raise LinkError(f"{url}: the probe cannot read the board ({error})") from error
        if time.monotonic() >= deadline:
            raise LinkError(
                f"{url}: the board's memory has no RTT control block: is its firmware built with "
                'uart.driver = "rtt", and does it run?'
            )
        time.sleep(_RETRY_S)
