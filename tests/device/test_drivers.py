# SPDX-License-Identifier: BSD-3-Clause
"""The UART drivers of the boards of silicon, each run against a model of its device's registers."""

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from toolkit.codegen.board import board_header
from toolkit.common.paths import ROOT
from toolkit.targets.drivers import PORT
from toolkit.targets.target import Target, load_target, target_names

HERE = ROOT / "tests" / "programs" / "drivers"
# The model of each driver, and the bytes by which an interrupt may be late with nothing lost.
MODELS = {
    "stm32_v2": ("fifo.cpp", ("-DMODEL_STM32",), 0),
    "stm32_v2_fifo": ("fifo.cpp", ("-DMODEL_STM32", "-DMODEL_FIFO"), 15),
    "lpuart": ("fifo.cpp", ("-DMODEL_LPUART",), 3),
    "pl011": ("fifo.cpp", ("-DMODEL_PL011",), 0),
    "pl011_fifo": ("fifo.cpp", ("-DMODEL_PL011", "-DMODEL_FIFO"), 31),
    "ambiq": ("fifo.cpp", ("-DMODEL_PL011", "-DMODEL_FIFO", "-DMODEL_AMBIQ"), 31),
    "sam": ("fifo.cpp", ("-DMODEL_SAM",), 0),
    "dw_apb": ("dw_apb.cpp", (), 31),
    "sci_b": ("sci_b.cpp", (), 15),
    # Two halves of 64 bytes: after the first byte of one, the other must be given before it ends.
    "nrf_uarte": ("uarte.cpp", (), 62),
    "nrf54_uarte": ("uarte.cpp", ("-DMODEL_NRF54",), 62),
}
BYTES = 5000


@dataclass(frozen=True)
class Run:
    """What tests/programs/drivers/main.cpp has written."""

    received: int
    wrong: int
    refused: int
    left: int
    sent_wrong: int
    rate: float


def board_with(driver: str) -> Target:
    """Return the first board that has a driver; the PL011's plain one is QEMU's."""
    boards = map(load_target, target_names())
    found = [board for board in boards if board.uart and board.uart.driver == driver]
    if found:
        return found[0]
    assert driver == "stm32_v2", driver  # no such board ships
    like = load_target("nucleo_u575zi")
    assert like.uart is not None
    return replace(like, uart=replace(like.uart, driver=driver))


def build(driver: str, board: Target, folder: Path) -> Path:
    """Compile a driver with the model of its device and the board's constants."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    model, options, _ = MODELS[driver]
    folder.mkdir(exist_ok=True)
    (folder / "board.h").write_text(board_header(board), encoding="utf-8")
    source = next(path for path in PORT.rglob(f"uart_{driver}.c"))
    program = folder / "program"
    subprocess.run(
        [
            compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-no-pie",
            "-fsanitize=undefined", "-fno-sanitize-recover", *options,
            "-include", str(HERE / "model.h"), "-I", str(HERE), "-I", str(folder),
            "-I", str(PORT / "baremetal"), "-I", str(PORT / "cortexm"),
            str(HERE / "main.cpp"), str(HERE / model), "-x", "c++", str(source), "-o", str(program),
        ],
        check=True,
    )  # fmt: skip
    return program


@pytest.fixture(scope="module", params=MODELS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Built":
    driver: str = request.param
    board = board_with(driver)
    program = build(driver, board, tmp_path_factory.mktemp("driver") / driver)
    assert board.uart is not None
    return Built(program, board.uart.baud, MODELS[driver][2])


@dataclass(frozen=True)
class Built:
    """A program, the rate that its board asks for, and how late its interrupt may be."""

    program: Path
    baud: int
    slack: int

    def run(self, late: int, count: int = BYTES) -> Run:
        done = subprocess.run(
            [self.program, str(late), str(count)], capture_output=True, text=True, check=True
        )
        *whole, rate = done.stdout.split()
        return Run(*map(int, whole), rate=float(rate))


def test_nothing_is_lost_while_the_interrupt_is_late(built: Built) -> None:
    for late in sorted({0, 1, 2, 3, built.slack // 2, built.slack - 1, built.slack}):
        if not 0 <= late <= built.slack:
            continue
        # An odd number of bytes too, so that a half of a ring is left unfinished.
        for count in (1, 2, 63, 64, 65, 128, BYTES, BYTES - 7):
            run = built.run(late, count)
            assert (run.received, run.wrong, run.refused, run.left) == (count, 0, 0, 0), late


def test_it_goes_on_after_a_loss(built: Built) -> None:
    """If the interrupt is later than that, bytes are lost, but the last ones still arrive."""
    run = built.run(200)
    assert run.refused + run.wrong + run.left > 0
    assert run.received > 0


def test_what_is_sent_arrives(built: Built) -> None:
    assert built.run(0).sent_wrong == 0


def test_the_rate_is_within_two_per_cent(built: Built) -> None:
    assert abs(built.run(0).rate / built.baud - 1) < 0.02


@pytest.mark.parametrize("baud", [115200, 460800, 1000000, 2000000])
def test_an_lpuart_makes_every_usual_rate(tmp_path: Path, baud: int) -> None:
    board = load_target("mimxrt1060_evkb")
    assert board.uart is not None
    board = replace(board, uart=replace(board.uart, baud=baud))
    program = Built(build("lpuart", board, tmp_path / "b"), baud, 3)
    assert abs(program.run(0, 1).rate / baud - 1) < 0.01


@pytest.mark.parametrize(
    ("clock", "baud", "why"),
    [
        (18_000_000, 970_000, "uart.baud is off by more than 2 %"),  # 18 MHz / 19 is 2.3 % off
        (8_000_000, 1_000_000, "uart.baud is out of the divisor's range"),
    ],
)
def test_a_rate_that_is_off_does_not_compile(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], clock: int, baud: int, why: str
) -> None:
    board = load_target("nucleo_u575zi")
    assert board.uart is not None
    wrong = replace(board, uart=replace(board.uart, clock_hz=clock, baud=baud))
    with pytest.raises(subprocess.CalledProcessError):
        build("stm32_v2_fifo", wrong, tmp_path / "b")
    assert why in capfd.readouterr().err
