# SPDX-License-Identifier: BSD-3-Clause
"""Send requests and take answers over a line that may lose, change or double bytes.

The sequence number matches an answer to its request. A request is sent again when a damaged frame
shows that it or its answer was lost, or when its answer takes longer than answers have been taking.
The board answers a repeated request from memory, so sending again is always safe.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from toolkit.common.errors import LinkError
from toolkit.common.wire import Timeouts, Wire
from toolkit.device.link.frames import Damaged, Frame, FrameDecoder, encode_frame
from toolkit.device.link.transport import PortLost, Transport

_QUICK_RESENDS = 3  # after damage, until the timer takes over: no flood of frames on a noisy line
_RTT_GAIN, _RTT_SPREAD_GAIN, _RTT_SPREADS = 0.125, 0.25, 4.0  # as TCP does, RFC 6298


class BoardSilent(LinkError):
    """No answer for `silent_s`."""


@dataclass
class Request:
    """A request under way. `fields` may change between two sends, according to the answers."""

    name: str
    fields: dict[str, Any]
    sequence: int
    sends: int = 0
    order: int = 0  # number of its last send among all sends
    sent_at: float = 0.0  # time in s of its last send or of the last answer to it
    quick: int = 0  # resends on damage since the last answer or timeout
    answered: int = 0  # answers that have come
    expected: int = 1  # answers that one send brings
    due: int = 1  # answers of the last send that have not come


@dataclass(frozen=True)
class Answer:
    """An answer: the message's name and its fields."""

    name: str
    fields: dict[str, Any]


@dataclass
class LinkCounts:
    """Counts of frames and bytes on the line, for reports."""

    sent: int = 0  # frames
    resent: int = 0
    damaged: int = 0  # frames that came damaged
    complaints: int = 0  # frames that arrived damaged at the board
    stale: int = 0  # answers to requests that are no longer waiting
    bytes_out: int = 0
    bytes_in: int = 0


@dataclass
class _RoundTrip:
    """The time that answers take: a smoothed mean and spread in seconds, and a back-off factor."""

    mean: float | None = None  # over the first answers to requests of one name
    spread: float = 0.0
    backoff: float = 1.0

    def take(self, seconds: float) -> None:
        if self.mean is None:
            self.mean, self.spread = seconds, seconds / 2
        else:
            self.spread += _RTT_SPREAD_GAIN * (abs(seconds - self.mean) - self.spread)
            self.mean += _RTT_GAIN * (seconds - self.mean)

    def limit(self, times: Timeouts) -> float:
        """Seconds after which an answer counts as lost."""
        if self.mean is None:
            base = times.resend_first_s
        else:
            base = max(self.mean + _RTT_SPREADS * self.spread, times.resend_min_s)
        return min(base * self.backoff, times.resend_max_s)


@dataclass
class Exchange:
    """The requests and answers of one host on one transport.

    `where` returns how far the work has come ("after step 41"), for the message of an error.
    `clock` returns seconds from any start; the limits of `times` are measured with it.
    """

    transport: Transport
    wire: Wire
    times: Timeouts
    where: Callable[[], str]
    clock: Callable[[], float] = time.monotonic
    counts: LinkCounts = field(default_factory=LinkCounts)

    def __post_init__(self) -> None:
        self._decoder = FrameDecoder(self.wire)
        self._arrived: deque[Frame | Damaged] = deque()
        # A random start: no answer to an earlier program's request looks like an answer to ours.
        self._sequence = random.randrange(1 << 16)
        self._round_trips: dict[str, _RoundTrip] = {}
        self._progress_at = self.clock()
        self._heard = 0  # sound frames since the last progress
        self._noise = 0  # damaged frames since the last progress
        self.echoes = 0  # our own requests coming back

    def request(self, name: str, *, answers: int = 1, **fields: Any) -> Request:
        """Send a new request that brings `answers` answers."""
        self._sequence = (self._sequence + 1) % (1 << 16)
        request = Request(name, fields, self._sequence, expected=answers)
        self.send(request)
        return request

    def send(self, request: Request) -> None:
        """Send a request, for the first time or again."""
        message = self.wire.messages[request.name]
        data = encode_frame(
            Frame(message.type, request.sequence, message.pack(**request.fields)), self.wire
        )
        try:
            self.transport.write(data)
        except PortLost as error:
            raise PortLost(f"{error} {self.where()}") from error
        self.counts.sent += 1
        self.counts.resent += request.sends > 0
        self.counts.bytes_out += len(data)
        request.sends += 1
        request.order = self.counts.sent
        request.sent_at = self.clock()
        request.due = request.expected

    def start_clock(self) -> None:
        """Start the clock of `silent_s`: call before the first request after a pause."""
        self._progress_at = self.clock()
        self._heard = self._noise = 0

    def wait(self, pending: Collection[Request]) -> tuple[Request, Answer]:
        """Return the next answer to one of `pending` (not empty), in the order of sending.

        Sends requests again where needed. Raises LinkError when the line is dead: port lost, board
        silent, or nothing but noise for `silent_s`.
        """
        while True:
            while self._arrived:
                came = self._arrived.popleft()
                found = None if isinstance(came, Damaged) else self._match(came, pending)
                if found is not None:
                    self._note_progress(found[0])
                    return found
                if isinstance(came, Damaged):
                    self.counts.damaged += 1
                    self._noise += 1
                    self._hurry(pending)
            self._check_silence()
            oldest = min(pending, key=lambda request: request.sent_at)
            trip = self._trip(oldest)
            left = oldest.sent_at + trip.limit(self.times) - self.clock()
            if left > 0:
                self._receive(left)
            else:
                trip.backoff *= 2
                for request in pending:
                    request.quick = 0
                    self.send(request)

    def _trip(self, request: Request) -> _RoundTrip:
        return self._round_trips.setdefault(request.name, _RoundTrip())

    def _receive(self, wait_s: float) -> None:
        try:
            data = self.transport.read(wait_s)
        except PortLost as error:
            raise PortLost(f"{error} {self.where()}") from error
        self.counts.bytes_in += len(data)
        self._arrived.extend(self._decoder.feed(data))

    def _match(self, frame: Frame, pending: Collection[Request]) -> tuple[Request, Answer] | None:
        message = self.wire.by_type.get(frame.type)
        fields = message.unpack(frame.payload) if message is not None else None
        if message is None or message.answer is not None:
            self.echoes += message is not None
            self.counts.stale += 1
            return None
        self._heard += 1
        if message.name == "error" and fields and fields["code"] == self.wire.errors["frame"]:
            self.counts.complaints += 1
            self._hurry(pending, whole=True)
            return None
        for request in pending:
            wanted = self.wire.messages[request.name].answer
            if request.sequence == frame.sequence and message.name in (wanted, "error"):
                # Only `board` may have a foreign layout: a board of another protocol version.
                if fields is None and message.name != "board":
                    raise LinkError(
                        f"{self.transport.url}: the board's '{message.name}' has "
                        f"{len(frame.payload)} bytes, which its protocol does not know"
                    )
                return request, Answer(message.name, fields or {"payload": frame.payload})
        self.counts.stale += 1
        return None

    def _note_progress(self, request: Request) -> None:
        now = self.clock()
        trip = self._trip(request)
        if request.sends == 1 and not request.answered:
            # After a resend it is unknown which send was answered.
            trip.take(now - request.sent_at)
        trip.backoff = 1.0
        request.answered += 1
        request.sent_at = now
        request.due -= 1
        request.quick = 0
        self.start_clock()

    def _hurry(self, pending: Collection[Request], whole: bool = False) -> None:
        """Send again at once the request that a damaged frame has most likely cost, a few times.

        Answers come in order, so the frame was an answer to the oldest request, or with `whole`
        that request itself. If it belonged to a later request, the answers after it or the timer
        will show that.
        """
        request = min(pending, key=lambda request: request.order)
        request.due = 0 if whole else request.due - 1
        if request.due <= 0 and request.quick < _QUICK_RESENDS:
            request.quick += 1
            self.send(request)

    def _check_silence(self) -> None:
        silent = self.clock() - self._progress_at
        if silent < self.times.silent_s:
            return
        if self._noise > self._heard:
            raise BoardSilent(
                f"{self.transport.url}: nothing but damaged frames for {silent:.0f} s "
                f"{self.where()} (bad line or wrong baud rate)"
            )
        raise BoardSilent(
            f"{self.transport.url}: the board stopped answering {self.where()} (killed or hung)"
        )
