# SPDX-License-Identifier: BSD-3-Clause
"""The steps put together: a stage on a target, ready to be streamed through."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from toolkit.codegen.generate import GENERATED, generate
from toolkit.common.errors import InputError, ToolError
from toolkit.common.folders import alone, own_copy
from toolkit.common.wire import WIRE
from toolkit.device.boards import lines, rtt, ssh
from toolkit.device.boards.probe import flash_probe
from toolkit.device.boards.process import ProcessBoard
from toolkit.device.boards.qemu import QemuBoard, check_serial
from toolkit.device.build.build import (
    BuildResult,
    build_firmware,
    build_host_library,
    build_server,
)
from toolkit.device.build.hostlib import HostEngine
from toolkit.device.link.session import Session
from toolkit.stages.stage import DecoderStage, Stage
from toolkit.targets.target import HOST, Target, load_target


class EmulatorPlugin(Protocol):
    """A plugin that QEMU loads into an emulated board."""

    def options(self, program: str) -> tuple[str, ...]:
        """Return the options that load it into this QEMU program."""


@dataclass(frozen=True)
class Firmware:
    """A stage generated and built for a target.

    `build` is a board's image. It is None for a process under Linux, which is `server`.
    """

    target: Target
    stage: Stage
    manifest: dict[str, Any]
    build: BuildResult | None
    server: Path | None


@dataclass(frozen=True)
class Prepared(Firmware):
    """The same with the host library to compare with."""

    engine: HostEngine


def prepare(stage: Stage, target: Target, build_root: Path) -> Prepared:
    """Generate and build: firmware for the target, and the same C for this machine.

    Other processes may build in the same folders, so image and server are copies of our own.
    """
    with alone(build_root / HOST), alone(build_root / target.folder):
        made = _prepare(stage, target, build_root)
        server = made.server and own_copy(made.server)
        return replace(made, build=_own(made.build), server=server)


def _own(built: BuildResult | None) -> BuildResult | None:
    return built and replace(built, elf=own_copy(built.elf))


def _prepare(stage: Stage, target: Target, build_root: Path) -> Prepared:
    host = load_target("host")
    host_dir = build_root / host.name
    manifest = generate(stage, host, host_dir)
    library = build_host_library(host_dir / GENERATED, host_dir)
    engine = HostEngine(library)
    build_dir = build_root / target.folder
    if not target.is_host:
        manifest = generate(stage, target, build_dir)
    if not target.is_board:
        server = build_server(target, build_dir / GENERATED, build_dir)
        return Prepared(target, stage, manifest, None, server, engine)
    with _advice(stage):
        built = build_firmware(target, build_dir / GENERATED, build_dir)
    return Prepared(target, stage, manifest, built, None, engine)


def prepare_to_measure(stage: Stage, target: Target, build_root: Path) -> Firmware:
    """Generate and build an image for `dredkit bench`, whose layer traces hold times."""
    build_dir = build_root / f"{target.folder}-profile"
    with alone(build_dir):
        manifest = generate(stage, target, build_dir)
        with _advice(stage):
            built = build_firmware(target, build_dir / GENERATED, build_dir, profile=True)
        return Firmware(target, stage, manifest, _own(built), None)


def check_line(port: str | None, serial: str, target: Target | None = None) -> None:
    """Refuse a --port or --serial that cannot work: call it before anything is built.

    Raises LinkError for the port of a flashed board, InputError for that of an emulated one and for
    ssh:// to a target without Linux.
    """
    if port is not None and ssh.is_place(port):
        ssh.check_place(port)
        if target is not None:
            _check_linux(target, port)
    elif port is not None:
        lines.check_line(port, target)
    check_serial(serial)


@contextmanager
def _advice(stage: Stage) -> Iterator[None]:
    """Add to the complaint about an image that does not fit what would make it fit."""
    try:
        yield
    except ToolError as error:
        voice = stage.model.voice if isinstance(stage, DecoderStage) else "pulse"
        if "overflowed" in str(error) and voice != "pulse":
            raise ToolError(
                f"{error}; the board is too small for this voice and these weights: "
                "--voice pulse needs no weights"
            ) from None
        raise


@dataclass(frozen=True)
class Flasher:
    """How a board at a --port gets its image first: a word for --server, and which probe."""

    server: str
    probe: str | None = None


@contextmanager
def connected(
    prepared: Firmware,
    *,
    port: str | None,
    serial: str,
    plugin: EmulatorPlugin | None = None,
    flasher: Flasher | None = None,
    real_time: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Session]:
    """Yield a session with the target's board.

    `port` (any pyserial URL, or rtt://) leads to a board that is flashed already or gets its image
    from the `flasher`, or (ssh://USER@HOST) to a machine that the server is copied to and started
    on.
    Without it an emulated board is started blank, flashed and reset, with its UART on a `serial`
    "socket" or "pty". `plugin` is loaded into the emulator. A process with `real_time` asks for
    SCHED_FIFO and measures by the clock on the wall; `tell` gets what it says of that at its end.
    """
    target = prepared.target
    with ExitStack() as stack:
        if port is not None and ssh.is_place(port):
            with _sent(prepared, port, real_time) as remote:
                yield Session(remote)
            for line in remote.said():
                tell(line)
            return
        image = prepared.build.elf if prepared.build is not None else None
        if port is None:
            board = stack.enter_context(_started(prepared, serial, plugin, real_time, tell))
            if isinstance(board, QemuBoard) and board.ram is not None and image is not None:
                yield Session(stack.enter_context(rtt.open_emulated(board, image)))
                return
            port = board.serial_url
        elif flasher is not None and image is not None:
            flash_probe(target, flasher.server, image, flasher.probe)
        wait_s = WIRE.timeouts.open_s
        transport = lines.open_line(port, wait_s=wait_s, target=target, image=image)
        stack.callback(transport.close)
        yield Session(transport)


def _check_linux(target: Target, place: str) -> None:
    if target.is_board:
        raise InputError(f"{place}: {target.name} is a board without Linux; give its serial port")


def _sent(prepared: Firmware, place: str, real_time: bool) -> ssh.RemoteServer:
    _check_linux(prepared.target, place)
    if prepared.server is None:
        raise InputError(f"{prepared.target.name}: nothing was built to start")
    return ssh.RemoteServer(prepared.server, place, real_time)


@contextmanager
def _started(
    prepared: Firmware,
    serial: str,
    plugin: EmulatorPlugin | None,
    real_time: bool,
    tell: Callable[[str], None],
) -> Iterator[ProcessBoard | QemuBoard]:
    if prepared.server is not None:
        runner = prepared.target.runner
        if runner is not None and plugin is not None:
            runner = replace(runner, args=(*runner.args, *plugin.options(runner.program)))
        with ProcessBoard(prepared.server, serial, runner, real_time) as process:
            yield process
        for line in process.said():
            tell(line)
        return
    if prepared.build is None:
        raise InputError(f"{prepared.target.name}: nothing was built to start")
    emulator = prepared.target.emulator
    options = plugin.options(emulator.program) if plugin and emulator else ()
    with QemuBoard(prepared.target, serial, options) as board:
        board.flash(prepared.build.elf)
        yield board
