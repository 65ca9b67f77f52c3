# SPDX-License-Identifier: BSD-3-Clause
"""The server in C, frame by frame: its answer to each request, and to what it must refuse."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from tests.support.fixtures.clocks import PATIENCE_S
from tests.support.fixtures.toy_board import (
    INPUT_BYTES,
    LINK_SOURCES,
    MODEL_HASH,
    OUTPUT_BYTES,
    ROOT,
    SANITIZERS,
    SERVER_SOURCE,
    TOY,
    TRACE_BYTES,
    Board,
    build_board,
    compile_c,
    expected,
    inputs,
)
from toolkit.common.wire import WIRE
from toolkit.device.link.frames import Frame, FrameDecoder, encode_frame

FUZZ_RUNS = 30_000
SESSION = 0x12345678


class Client:
    """Sends and receives frames, without the retries and timeouts of a session."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("socket://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self._decoder = FrameDecoder()
        self._sequence = 100

    def close(self) -> None:
        self._socket.close()

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def encode(self, name: str, **fields: Any) -> bytes:
        self._sequence += 1
        message = WIRE.messages[name]
        return encode_frame(Frame(message.type, self._sequence, message.pack(**fields)))

    def receive(self, count: int = 1) -> list[Frame]:
        """Return the next `count` frames."""
        found: list[Frame] = []
        while len(found) < count:
            data = self._socket.recv(65536)
            assert data, "the server hung up"
            for event in self._decoder.feed(data):
                assert isinstance(event, Frame)
                found.append(event)
        assert len(found) == count
        return found

    def ask(self, name: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        """Send one request; return the name and fields of its one answer."""
        self.raw(self.encode(name, **fields))
        (frame,) = self.receive()
        assert frame.sequence == self._sequence
        return unpack(frame)


def unpack(frame: Frame) -> tuple[str, dict[str, Any]]:
    message = WIRE.by_type[frame.type]
    fields = message.unpack(frame.payload)
    assert fields is not None
    return message.name, fields


def error(answer: tuple[str, dict[str, Any]]) -> str:
    name, fields = answer
    assert name == "error"
    return WIRE.error_name(fields["code"])


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_board(tmp_path_factory.mktemp("server") / "board")


@pytest.fixture
def client(program: Path) -> Iterator[Client]:
    board = Board(program, "--listen", "0")
    client = Client(board.url)
    yield client
    client.close()
    assert board.stop() == ""  # the sanitizers found nothing


def open_session(client: Client, *, session: int = SESSION, trace: bool = False) -> None:
    flags = WIRE.open_flags["trace"] if trace else 0
    assert client.ask("open", session=session, flags=flags) == (
        "opened",
        {"session": session, "flags": flags, "next": 0},
    )


def step(client: Client, index: int, data: bytes, session: int = SESSION) -> Any:
    return client.ask("step", session=session, index=index, input=data)


def test_hello_tells_who_is_there(client: Client, program: Path) -> None:
    name, board = client.ask("hello", protocol=WIRE.protocol)
    with program.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".note.gnu.build-id")
        assert section is not None
        build_id = bytes(section.data()[-20:])
    assert name == "board"
    uptime = board.pop("uptime")
    assert uptime > 0
    assert board == {
        "protocol": WIRE.protocol,
        "build_id": build_id,
        "model_hash": MODEL_HASH,
        "target": "host",
        "stage": "toy",
        "input_bytes": INPUT_BYTES,
        "output_bytes": OUTPUT_BYTES,
        "trace_bytes": TRACE_BYTES,
        "window": 4,
        "session": 0,
        "cycles": 0,
    }
    open_session(client)
    assert client.ask("hello", protocol=WIRE.protocol)[1]["session"] == SESSION


def test_steps_run_once_and_are_answered_again_from_memory(client: Client) -> None:
    steps = inputs(12)
    open_session(client)
    results = [step(client, index, data) for index, data in enumerate(steps)]
    for (name, fields), (output, _) in zip(results, expected(steps), strict=True):
        assert name == "result"
        assert fields["output"] == output
    for index in (8, 9, 10, 11, 8):  # the last four; their inputs do not matter any more
        assert step(client, index, bytes(INPUT_BYTES)) == results[index]
    for index in (7, 0, 13, 0xFFFFFFFF):
        answer = step(client, index, steps[0])
        assert error(answer) == "order"
        assert answer[1]["next"] == 12
    counters = client.ask("count")[1]
    assert (counters["steps"], counters["resends"], counters["frames_rejected"]) == (12, 5, 0)


def test_a_full_window_in_one_write(client: Client) -> None:
    steps = inputs(4)
    open_session(client)
    client.raw(
        b"".join(
            client.encode("step", session=SESSION, index=index, input=data)
            for index, data in enumerate(steps)
        )
    )
    found = [unpack(frame)[1]["output"] for frame in client.receive(4)]
    assert found == [output for output, _ in expected(steps)]


def test_open_again_changes_nothing_and_a_new_one_starts_anew(client: Client) -> None:
    steps = inputs(3)
    open_session(client)
    step(client, 0, steps[0])
    again = client.ask("open", session=SESSION, flags=0)
    assert again == ("opened", {"session": SESSION, "flags": 0, "next": 1})
    assert step(client, 1, steps[1])[1]["output"] == expected(steps)[1][0]
    open_session(client, session=99)
    assert step(client, 0, steps[0], 99)[1]["output"] == expected(steps)[0][0]
    assert error(step(client, 1, steps[1])) == "session"


def test_what_does_not_fit_is_refused(client: Client) -> None:
    data = inputs(1)[0]
    assert error(step(client, 0, data)) == "session"
    assert error(client.ask("open", session=0, flags=0)) == "argument"
    assert error(client.ask("open", session=1, flags=0x80)) == "argument"
    open_session(client)
    assert error(step(client, 0, data[:-1])) == "argument"
    assert error(step(client, 0, data, SESSION + 1)) == "session"
    client.raw(encode_frame(Frame(0x55, 9, b"")))
    answer = unpack(client.receive()[0])
    assert error(answer) == "type"
    assert answer[1]["request"] == 0x55
    for name in ("open", "read", "step"):  # shorter than their fixed part
        client.raw(encode_frame(Frame(WIRE.messages[name].type, 9, b"\1\2")))
        assert error(unpack(client.receive()[0])) == "argument"
    client.raw(encode_frame(Frame(WIRE.messages["count"].type, 9, b"\1")))
    assert error(unpack(client.receive()[0])) == "argument"
    assert step(client, 0, data)[0] == "result"


def test_a_step_that_the_engine_refuses_ends_the_session(client: Client) -> None:
    data = inputs(1)[0]
    open_session(client)
    step(client, 0, data)
    assert error(step(client, 1, b"fail" + data[4:])) == "range"
    assert error(step(client, 1, data)) == "range"  # its state cannot be trusted
    open_session(client, session=5)
    assert step(client, 0, data, 5)[0] == "result"


def test_the_trace_of_the_last_step(client: Client) -> None:
    steps = inputs(2)
    trace = WIRE.regions["trace"]
    chunk = WIRE.limits["data_chunk"]

    def read(**other: int) -> Any:
        asked = {"region": trace, "step": 1, "offset": 0, "length": 1}
        return client.ask("read", session=SESSION, **(asked | other))

    open_session(client)
    step(client, 0, steps[0])
    assert error(read(step=0)) == "argument"  # this session keeps no trace
    open_session(client, session=7, trace=True)
    open_session(client, trace=True)
    assert error(read(step=0)) == "order"  # nothing has run
    for index, data in enumerate(steps):
        step(client, index, data)
    want = expected(steps)[1][1]
    client.raw(
        client.encode("read", session=SESSION, region=trace, step=1, offset=0, length=TRACE_BYTES)
    )
    chunks = [unpack(frame) for frame in client.receive(-(-TRACE_BYTES // chunk))]
    assert [name for name, _ in chunks] == ["data"] * len(chunks)
    assert [fields["offset"] for _, fields in chunks] == list(range(0, TRACE_BYTES, chunk))
    assert b"".join(fields["bytes"] for _, fields in chunks) == want
    assert read(offset=TRACE_BYTES - 1)[1]["bytes"] == want[-1:]
    assert read(offset=3, length=5)[1]["bytes"] == want[3:8]
    assert error(read(step=0)) == "order"
    assert error(read(step=2)) == "order"
    assert error(read(region=9)) == "argument"
    assert error(read(length=0)) == "range"
    assert error(read(offset=TRACE_BYTES)) == "range"
    assert error(read(offset=65535, length=65535)) == "range"
    assert error(client.ask("read", session=1, region=trace, step=1, offset=0, length=1)) == (
        "session"
    )


def test_noise_gets_one_complaint_until_a_sound_frame_comes(client: Client) -> None:
    client.raw(b"\0noise\0more noise\0\0\0and more" * 50 + b"\0")
    assert error(unpack(client.receive()[0])) == "frame"
    counters = client.ask("count")[1]
    assert counters["frames_rejected"] == 150
    client.raw(b"\x55" * 100_000 + b"\0")  # far more than the longest frame
    assert error(unpack(client.receive()[0])) == "frame"
    assert client.ask("count")[1]["frames_rejected"] == 151


def test_the_board_keeps_its_session_when_the_host_goes(program: Path) -> None:
    steps = inputs(2)
    board = Board(program, "--listen", "0")
    first = Client(board.url)
    open_session(first)
    step(first, 0, steps[0])
    first.raw(b"\0\5half a fra")
    first.close()
    second = Client(board.url)
    second.raw(second.encode("step", session=SESSION, index=1, input=steps[1]))
    complaint, result = map(unpack, second.receive(2))
    assert error(complaint) == "frame"  # about the half one
    assert result[1]["output"] == expected(steps)[1][0]
    # A third host is refused while the second is connected.
    third = Client(board.url)
    third._socket.settimeout(PATIENCE_S)
    assert third._socket.recv(1) == b""
    assert second.ask("count")[1]["steps"] == 2
    second.close()
    board.stop()


def test_stdin_and_stdout_will_do(program: Path) -> None:
    hello = WIRE.messages["hello"]
    frame = encode_frame(Frame(hello.type, 3, hello.pack(protocol=WIRE.protocol)))
    done = subprocess.run(
        [str(program), "--stdio"], input=frame, capture_output=True, timeout=PATIENCE_S, check=True
    )
    (answer,) = FrameDecoder().feed(done.stdout)
    assert isinstance(answer, Frame)
    assert unpack(answer)[1]["target"] == "host"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "usage"),
        (["--listen"], 2, "usage"),
        (["--listen", "0", "more"], 2, "usage"),
        (["--listen", "70000"], 3, "70000"),
        (["--listen", "http"], 3, "http"),
    ],
)
def test_a_wrong_command_line_says_so(
    program: Path, arguments: list[str], status: int, words: str
) -> None:
    done = subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == status
    assert words in done.stderr


def test_a_taken_tcp_port_says_so(program: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        done = subprocess.run(
            [str(program), "--listen", number],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 3
    assert "cannot listen" in done.stderr


POLL_LOG = """
#include <poll.h>
#include <stdio.h>

int __real_poll(struct pollfd *watched, nfds_t count, int wait_ms);
int __wrap_poll(struct pollfd *watched, nfds_t count, int wait_ms);

int __wrap_poll(struct pollfd *watched, nfds_t count, int wait_ms)
{
    fprintf(stderr, "poll for %d ms\\n", wait_ms);
    int ready = __real_poll(watched, count, wait_ms);
    fprintf(stderr, "poll found %d\\n", ready);
    return ready;
}
"""


def test_an_idle_server_leaves_the_processor_alone(tmp_path: Path) -> None:
    """The server polls once, finds nothing, and then waits without a limit."""
    log = tmp_path / "poll_log.c"
    log.write_text(POLL_LOG, encoding="utf-8")
    program = build_board(tmp_path / "board", flags=["-Wl,--wrap=poll", str(log)])
    board = Board(program, "--listen", "0")
    client = Client(board.url)
    client.ask("hello", protocol=WIRE.protocol)
    assert board.process.stderr is not None
    said: list[str] = []
    # It waits for a caller and, after the answer, for more; no further line comes then.
    while said[-1:] != ["poll for -1 ms\n"] or said.count("poll found 1\n") < 3:
        said.append(board.process.stderr.readline())
        assert said[-1], said
    client.close()
    board.kill()
    after_nothing = [said[at + 1] for at in range(len(said) - 1) if said[at] == "poll found 0\n"]
    assert set(after_nothing) == {"poll for -1 ms\n"}


def test_sizes_at_their_edges_compile(tmp_path: Path) -> None:
    """The sizes are no trace, the smallest and largest steps, and a step that no frame can hold."""
    for sizes, fits in (((1, 1, 0), True), ((8000, 8000, 65535), True), ((9000, 1, 0), False)):
        folder = tmp_path / "x".join(map(str, sizes))
        folder.mkdir()
        names = ("INPUT", "OUTPUT", "TRACE")
        (folder / "engine_sizes.h").write_text(
            "".join(
                f"#define DK_ENGINE_{name}_BYTES {size}u\n"
                for name, size in zip(names, sizes, strict=True)
            )
        )
        flags = ["-c", "-O2", f"-iquote{folder}"]
        if fits:
            compile_c(folder / "server.o", [SERVER_SOURCE], flags)
        else:
            with pytest.raises(AssertionError, match="does not fit a frame"):
                compile_c(folder / "server.o", [SERVER_SOURCE], flags)


def test_fuzzing_finds_nothing(tmp_path: Path) -> None:
    clang = shutil.which("clang") or shutil.which("clang-14")
    if clang is None:
        pytest.skip("no clang, whose libFuzzer this needs: apt-get install clang")
    target = tmp_path / "fuzz"
    compile_c(
        target,
        [ROOT / "tests" / "fuzz" / "fuzz_server.c", *LINK_SOURCES, SERVER_SOURCE, TOY / "engine.c"],
        ["-O1", "-fsanitize=fuzzer", *SANITIZERS, "-DTOY_NEVER_HANGS"],
        cc=clang,
    )
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    session = (0x01010101).to_bytes(4, "little")
    records = b""
    for name, payload in (
        ("open", session + b"\1"),
        ("step", session + bytes(4) + bytes(INPUT_BYTES)),
        ("read", session + b"\1" + bytes(4) + bytes(2) + TRACE_BYTES.to_bytes(2, "little")),
        ("count", b""),
        ("hello", b"\1\0"),
    ):
        body = bytes([WIRE.messages[name].type, 1, 0]) + payload
        records += bytes([1, len(body)]) + body
    (corpus / "seed").write_bytes(records)
    done = subprocess.run(
        [str(target), f"-runs={FUZZ_RUNS}", "-max_len=1024", "-seed=1", str(corpus)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done" in done.stderr
