# SPDX-License-Identifier: BSD-3-Clause
"""A session with the firmware: identify the board, run steps, and read their results and costs.

    with open_port("/dev/ttyACM0") as port:
        session = Session(port)
        session.expect(model_hash=hash, target="mps3-an547")
        session.open()
        for result in session.run_steps(inputs):
            ...

Every result belongs to its step of this session; otherwise LinkError is raised.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from quantize.errors import InputError
from toolkit.common.errors import BoardError, LinkError
from toolkit.common.wire import WIRE, Timeouts, Wire
from toolkit.device.link.exchange import Answer, BoardSilent, Exchange, LinkCounts, Request
from toolkit.device.link.messages import Board, Counters, StepResult
from toolkit.device.link.transport import Transport


@dataclass
class _Step:
    """A step under way, with its result if that came before the result of an earlier step."""

    index: int
    request: Request
    result: StepResult | None = None


class Session:
    """Talks to one board over `transport`; `timeouts` replaces the timeouts of wire.toml.

    Timeouts are in seconds of `clock`.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        wire: Wire = WIRE,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = transport.url
        self._wire = wire
        self._times = timeouts or wire.timeouts
        self._exchange = Exchange(transport, wire, self._times, self._where, clock)
        self._board: Board | None = None
        self._number = 0  # of the open session
        self._usable = False  # the results of all its steps have been given out, or will be
        self._trace = False
        self._next = 0  # index of the next step to send
        self._done = 0  # steps whose results have been given out

    @property
    def counts(self) -> LinkCounts:
        """Counts of what has happened on the line so far."""
        return self._exchange.counts

    def _where(self) -> str:
        if not self._number:
            return "before the session began"
        return f"after step {self._done - 1}" if self._done else "before the first step"

    def hello(self) -> Board:
        """Ask the board for its description.

        Raises LinkError when nothing answers in `hello_s`, when something else than a dredkit board
        answers, or when the board speaks another version of the protocol (the message names both).
        """
        exchange = self._exchange
        exchange.times = replace(
            self._times,
            silent_s=self._times.hello_s,
            resend_first_s=self._times.hello_retry_s,
            resend_max_s=self._times.hello_retry_s,
        )
        try:
            answer = self._ask("hello", protocol=self._wire.protocol)
        except BoardSilent as error:
            raise LinkError(f"{self._url}: {self._why_no_hello()}") from error
        finally:
            exchange.times = self._times
        return self._take_board(answer)

    def _why_no_hello(self) -> str:
        counts = self._exchange.counts
        if self._exchange.echoes:
            return "what is sent comes back: no board, but a loop or an echo"
        if counts.bytes_in:
            return (
                f"{counts.bytes_in} bytes came but no hello: other firmware on the board "
                "(run dredkit flash), or another baud rate"
            )
        return (
            f"nothing answers within {self._times.hello_s:g} s: is the firmware on the board "
            "(run dredkit flash), and the port free of other programs?"
        )

    def _take_board(self, answer: Answer) -> Board:
        raw = answer.fields.get("payload")
        if raw is not None:
            version = int.from_bytes(raw[:2], "little")
        else:
            version = answer.fields["protocol"]
        if version != self._wire.protocol:
            raise LinkError(
                f"{self._url}: the board speaks link protocol {version}, this dredkit speaks "
                f"{self._wire.protocol}: run dredkit flash"
            )
        if raw is not None:
            raise LinkError(f"{self._url}: the board's hello has {len(raw)} bytes, not its layout")
        self._board = Board(**answer.fields)
        return self._board

    def expect(
        self,
        *,
        build_id: bytes | None = None,
        model_hash: bytes | None = None,
        target: str | None = None,
        stage: str | None = None,
    ) -> Board:
        """Say hello and refuse a board that runs other firmware; None accepts any value.

        Raises BoardError, which names the difference, and LinkError as `hello` does.
        """
        board = self.hello()
        different = board.difference(build_id, model_hash, target, stage)
        if different is not None:
            raise BoardError(f"{self._url}: {different}: run dredkit flash")
        return board

    def open(self, *, trace: bool = False) -> None:
        """Open a session: the engine starts again. `trace` keeps each step's layer outputs."""
        if self._board is None:
            self.hello()
        number = random.SystemRandom().randrange(1, 1 << 32)
        flags = self._wire.open_flags["trace"] if trace else 0
        answer = self._ask("open", session=number, flags=flags)
        if answer.fields != {"session": number, "flags": flags, "next": 0}:
            raise LinkError(f"{self._url}: the board opened another session than asked for")
        self._number, self._usable, self._trace = number, True, trace
        self._next = self._done = 0

    def step(self, data: bytes) -> StepResult:
        """Run one step on `data` (the board's input_bytes long)."""
        return next(self.run_steps([data]))

    def run_steps(self, inputs: Iterable[bytes], *, window: int = 1) -> Iterator[StepResult]:
        """Run a step for each of `inputs`, lazily; yield their results in order.

        `window` is the number of steps under way at once; the board's buffer limits it. With 1,
        which a trace needs, no byte arrives while a step runs, and its cost is undisturbed.
        """
        if not self._usable or self._board is None:
            raise LinkError(f"{self._url}: no session is open")
        window = 1 if self._trace else max(1, min(window, self._board.window))
        waiting = iter(inputs)
        pending: deque[_Step] = deque()
        self._exchange.start_clock()
        try:
            while True:
                while len(pending) < window and (data := next(waiting, None)) is not None:
                    pending.append(self._send_step(data))
                if not pending:
                    return
                self._take_answer(pending)
                while pending and (result := pending[0].result) is not None:
                    if self._trace:
                        result = replace(result, trace=self._read_trace(result.index))
                    pending.popleft()
                    self._done += 1
                    yield result
                    self._exchange.start_clock()
        finally:
            # If an error or the caller ends this with steps under way, it is unknown how far the
            # board is, so only a new session can go on.
            self._usable = self._usable and not pending

    def counters(self) -> Counters:
        """Ask for the board's counters."""
        return Counters(**self._ask("count").fields)

    def _send_step(self, data: bytes) -> _Step:
        assert self._board is not None
        if len(data) != self._board.input_bytes:
            raise InputError(
                f"step {self._next} has {len(data)} bytes of input, "
                f"the board takes {self._board.input_bytes}"
            )
        step = _Step(
            self._next,
            self._exchange.request("step", session=self._number, index=self._next, input=data),
        )
        self._next += 1
        return step

    def _take_answer(self, pending: deque[_Step]) -> None:
        """Take one answer to a waiting step, and send again the steps that it shows as lost."""
        assert self._board is not None
        open_steps = [step for step in pending if step.result is None]
        request, answer = self._exchange.wait([step.request for step in open_steps])
        step = next(step for step in open_steps if step.request is request)
        order = request.order
        # The board takes frames in order. A request that was sent before this one and has not been
        # answered by now is lost, or its answer is lost.
        lost = [other for other in open_steps if other.request.order < order]
        if answer.name == "error":
            self._refuse(answer, allowed="order")
            if not pending[0].index <= answer.fields["next"] < step.index:
                raise LinkError(f"{self._url}: the board lost count of the steps {self._where()}")
            lost = [other for other in open_steps if other.request.order <= order]
        else:
            got = answer.fields
            if (got["session"], got["index"]) != (self._number, step.index):
                raise LinkError(f"{self._url}: the board answered for another step")
            if len(got["output"]) != self._board.output_bytes:
                raise LinkError(
                    f"{self._url}: the board sent {len(got['output'])} bytes of output, "
                    f"its hello said {self._board.output_bytes}"
                )
            step.result = StepResult(step.index, got["ticks"], got["output"], None)
        for other in lost:
            self._exchange.send(other.request)

    def _read_trace(self, index: int) -> bytes:
        """Read the trace of the last step in chunks, and ask again for missing chunks."""
        assert self._board is not None
        size, chunk = self._board.trace_bytes, self._wire.limits["data_chunk"]
        region = self._wire.regions["trace"]
        found: dict[int, bytes] = {}
        gaps = list(range(0, size, chunk))
        if not gaps:
            return b""
        request = self._exchange.request(
            "read",
            answers=len(gaps),
            session=self._number,
            region=region,
            step=index,
            offset=0,
            length=size,
        )
        while gaps:
            _, answer = self._exchange.wait([request])
            if answer.name == "error":
                self._refuse(answer)
            got = answer.fields
            if (got["session"], got["region"], got["step"]) != (self._number, region, index):
                raise LinkError(f"{self._url}: the board answered with another step's trace")
            offset = got["offset"]
            if offset % chunk or not 0 < len(got["bytes"]) == min(chunk, size - offset):
                raise LinkError(f"{self._url}: the board sent a trace of another shape")
            found[offset] = got["bytes"]
            gaps = [gap for gap in gaps if gap != offset]
            if gaps:
                end = min(gaps[-1] + chunk, size)
                request.fields.update(offset=gaps[0], length=end - gaps[0])
                request.expected = (end - gaps[0] + chunk - 1) // chunk
                if request.due <= 0:
                    self._exchange.send(request)
        return b"".join(found[offset] for offset in sorted(found))

    def _ask(self, name: str, **values: Any) -> Answer:
        """Send a request and return its answer; raises for an error from the board."""
        self._exchange.start_clock()
        _, answer = self._exchange.wait([self._exchange.request(name, **values)])
        if answer.name == "error":
            self._refuse(answer)
        return answer

    def _refuse(self, answer: Answer, allowed: str = "") -> None:
        """Raise for an error from the board, unless it is the one `allowed` by name."""
        name = self._wire.error_name(answer.fields["code"])
        if name == allowed:
            return
        if name == "session" and answer.fields["session"]:
            raise LinkError(
                f"{self._url}: another program took the board {self._where()}: "
                "close it and start again"
            )
        if name == "session":
            raise LinkError(
                f"{self._url}: the board was reset in mid-stream {self._where()}: start again"
            )
        asked = self._wire.by_type.get(answer.fields["request"])
        raise LinkError(
            f"{self._url}: the board refused '{asked.name if asked else '?'}' "
            f"{self._where()} ({name})"
        )
