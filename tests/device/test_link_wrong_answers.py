# SPDX-License-Identifier: BSD-3-Clause
"""Wrong answers in sound frames: the host takes none of them for a result."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fixtures.clocks import Clock, Scripted
from toolkit.common.errors import LinkError
from toolkit.common.wire import WIRE
from toolkit.device.link.frames import Frame, FrameDecoder, encode_frame
from toolkit.device.link.session import Session

Answers = list[tuple[str, dict[str, Any]]]
TRACE_BYTES = 300  # two chunks


class Liar(Scripted):
    """A board in Python that answers correctly, except where `lie` changes the answers."""

    url = "liar"

    def __init__(self, lie: Callable[[str, Answers], Answers]) -> None:
        super().__init__(Clock())
        self._lie = lie
        self._decoder = FrameDecoder()

    def _honest(self, name: str, asked: dict[str, Any]) -> Answers:
        if name == "hello":
            return [
                (
                    "board",
                    {
                        "protocol": WIRE.protocol,
                        "build_id": bytes(20),
                        "model_hash": bytes(16),
                        "target": "liar",
                        "stage": "toy",
                        "input_bytes": 1,
                        "output_bytes": 1,
                        "trace_bytes": TRACE_BYTES,
                        "window": 4,
                        "session": 0,
                        "uptime": 0,
                        "cycles": 0,
                    },
                )
            ]
        if name == "open":
            return [("opened", asked | {"next": 0})]
        if name == "step":
            ticks = {"ticks": 5, "output": asked.pop("input")}
            return [("result", asked | ticks)]
        if name == "read":
            common = {key: asked[key] for key in ("session", "region", "step")}
            chunk = WIRE.limits["data_chunk"]
            end = asked["offset"] + asked["length"]
            return [
                ("data", common | {"offset": at, "bytes": bytes(min(chunk, end - at))})
                for at in range(asked["offset"], end, chunk)
            ]
        return [("counters", dict.fromkeys([f.name for f in WIRE.messages["counters"].fields], 0))]

    def hear(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            assert isinstance(frame, Frame)
            message = WIRE.by_type[frame.type]
            asked = message.unpack(frame.payload)
            assert asked is not None
            for name, fields in self._lie(message.name, self._honest(message.name, asked)):
                answer = WIRE.messages[name]
                payload = answer.pack(**fields)
                self.out += encode_frame(Frame(answer.type, frame.sequence, payload))


def changed(request: str, **fields: Any) -> Callable[[str, Answers], Answers]:
    """Return a lie: answers to `request` get other fields, values or functions of the true ones."""

    def lie(name: str, answers: Answers) -> Answers:
        if name != request:
            return answers
        return [
            (kind, honest | {k: v(honest[k]) if callable(v) else v for k, v in fields.items()})
            for kind, honest in answers
        ]

    return lie


def refused(code: str, **fields: int) -> Callable[[str, Answers], Answers]:
    """Return a lie: every step is answered with an error."""

    def lie(name: str, answers: Answers) -> Answers:
        error = {"code": WIRE.errors[code], "request": WIRE.messages["step"].type}
        return [("error", error | {"session": 7} | fields)] if name == "step" else answers

    return lie


def use(lie: Callable[[str, Answers], Answers]) -> list[bytes | None]:
    liar = Liar(lie)
    session = Session(liar, clock=liar.clock)
    session.open(trace=True)
    return [result.trace for result in session.run_steps([b"a", b"b"])]


def test_the_honest_board_is_believed() -> None:
    assert use(lambda name, answers: answers) == [bytes(TRACE_BYTES)] * 2


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (changed("open", session=1), "opened another session"),
        (changed("open", next=3), "opened another session"),
        (changed("open", flags=0), "opened another session"),
        (changed("step", index=7), "answered for another step"),
        (changed("step", session=lambda number: number ^ 1), "answered for another step"),
        (changed("step", output=b"too long"), "8 bytes of output"),
        (changed("read", step=9), "another step's trace"),
        (changed("read", region=9), "another step's trace"),
        (changed("read", offset=lambda at: at + 1), "trace of another shape"),
        (changed("read", offset=lambda at: at + 512), "trace of another shape"),
        (changed("read", bytes=b"short"), "trace of another shape"),
        (refused("order", next=0), "lost count"),
        (refused("order", next=9), "lost count"),
        (refused("session", next=0), "another program took the board"),
        (refused("session", session=0, next=0), "reset in mid-stream"),
        (refused("type", next=0), r"refused 'step' before the first step \(type\)"),
    ],
)
def test_lies_are_told(lie: Callable[[str, Answers], Answers], words: str) -> None:
    with pytest.raises(LinkError, match=words) as caught:
        use(lie)
    assert str(caught.value).startswith("liar: ")


def test_an_answer_of_another_size_is_told() -> None:
    class Cut(Liar):
        def read(self, wait_s: float) -> bytes:
            for event in FrameDecoder().feed(super().read(wait_s)):
                assert isinstance(event, Frame)
                payload = event.payload
                if event.type == WIRE.messages["opened"].type:
                    payload = payload[:-1]
                return encode_frame(Frame(event.type, event.sequence, payload))
            return b""

    cut = Cut(lambda name, answers: answers)
    session = Session(cut, clock=cut.clock)
    with pytest.raises(LinkError, match="'opened' has 8 bytes, which its protocol does not know"):
        session.open()
