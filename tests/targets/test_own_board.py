# SPDX-License-Identifier: BSD-3-Clause
"""A board whose TOML and driver lie outside the tree, as a user's own board does."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.boards import verified
from tests.support.random_models import random_inputs, random_model
from toolkit.cli import group
from toolkit.common.errors import InputError
from toolkit.common.paths import BUILD
from toolkit.common.places import verify_folder
from toolkit.device.boards.gdb import run_gdb
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.link.session import Session
from toolkit.device.link.transport import open_port
from toolkit.device.pipeline import connected, prepare
from toolkit.measure.bench.figures import figures, known_figures
from toolkit.stages.stage import stage_of
from toolkit.targets.drivers import PORT
from toolkit.targets.target import TARGETS, load_target, target_names

LIKE = "netduinoplus2"


def own_board(folder: Path, name: str = "myboard", driver: str = "mine") -> Path:
    """Write a board with a UART driver of another name beside it, and return its TOML."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (TARGETS / f"{LIKE}.toml").read_text(encoding="utf-8")
    before, after = text.split("[uart]")
    path = folder / f"{name}.toml"
    path.write_text(
        before + "[uart]" + after.replace('driver = "stm32"', f'driver = "{driver}"', 1),
        encoding="utf-8",
    )
    shutil.copy(PORT / "cortexm" / "uart_stm32.c", folder / f"uart_{driver}.c")
    return path


SCRATCH = 0x2001_0000  # RAM between the image and the stack


def test_a_pin_is_high_while_a_step_runs(tmp_path: Path) -> None:
    """The words go where [mark] says; memory stands for the registers of a pin."""
    path = own_board(tmp_path)
    mark = (
        f"[mark]\nset = {SCRATCH}\nset_value = 32\nclear = {SCRATCH + 4}\nclear_value = 0x200000\n"
    )
    path.write_text(path.read_text(encoding="utf-8") + mark, encoding="utf-8")
    target = load_target(str(path))
    model = random_model(0)
    prepared = prepare(stage_of(model), target, tmp_path / "build")
    assert prepared.build is not None
    with QemuBoard(target) as board:
        board.flash(prepared.build.elf)
        look = f"x/2xw {SCRATCH}"
        arm = "set architecture arm"
        assert words_of(run_gdb(board.gdb_address, [look, "detach"], before=arm)) == [0, 0]
        with open_port(board.serial_url, wait_s=5.0) as port:
            session = Session(port)
            session.open()
            session.step(bytes(prepared.stage.input_bytes))
        said = run_gdb(board.gdb_address, [look, "detach"], before=arm)
    assert words_of(said) == [32, 0x200000]


def words_of(said: str) -> list[int]:
    """Return the words that gdb's x command printed."""
    line = next(line for line in said.splitlines() if line.startswith(f"{SCRATCH:#x}"))
    return [int(word, 16) for word in line.split()[-2:]]


def test_it_is_built_and_verified(tmp_path: Path) -> None:
    target = load_target(str(own_board(tmp_path / "my boards")))
    model = random_model(0)
    prepared = prepare(stage_of(model), target, tmp_path / "build")
    with connected(prepared, port=None, serial="socket") as session:
        verdict = verified(session, prepared, random_inputs(model, 10, 0))
    assert verdict.mismatches == 0
    assert verdict.as_json()["target"] == "myboard"
    objects = list((tmp_path / "build" / target.folder).rglob("uart_*.o*"))
    assert [path.name.split(".")[0] for path in objects] == ["uart_mine"]


def test_its_own_driver_comes_first(tmp_path: Path) -> None:
    target = load_target(str(own_board(tmp_path, driver="stm32")))
    assert tmp_path / "uart_stm32.c" in target.drivers
    assert PORT / "cortexm" / "timer_stm32.c" in target.drivers
    assert all(file.is_relative_to(PORT) for file in load_target(LIKE).drivers)


def test_boards_of_one_name_share_no_folder(tmp_path: Path) -> None:
    paths = [own_board(tmp_path / folder, LIKE) for folder in ("a", "b")]
    boards = [load_target(LIKE), *(load_target(str(path)) for path in paths)]
    assert {board.name for board in boards} == {LIKE}
    assert len({board.folder for board in boards}) == 3
    assert boards[0].folder == LIKE
    # The same file by another way has the same folder.
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert load_target(str(tmp_path / "link" / f"{LIKE}.toml")).folder == boards[1].folder
    assert verify_folder(str(paths[0])) == BUILD / boards[1].folder / "verify"
    assert verify_folder(LIKE) == BUILD / LIKE / "verify"


def test_one_of_ours_by_its_path_is_ours() -> None:
    board = load_target(str(TARGETS / f"{LIKE}.toml"))
    assert (board.folder, board.word) == (LIKE, LIKE)


def test_it_has_no_committed_figures(tmp_path: Path) -> None:
    own = load_target(str(own_board(tmp_path, LIKE)))
    assert list(figures(str(own.path))) == []
    committed = next(iter(figures(LIKE))).read()
    facts = committed["stage"], committed["model_hash"], tmp_path
    assert known_figures(load_target(LIKE), *facts) is not None
    assert known_figures(own, *facts) is None


@pytest.mark.parametrize(("key", "kind"), [("uart.driver", "uart"), ("setup", "setup")])
def test_a_missing_driver_is_named_with_those_that_exist(
    tmp_path: Path, key: str, kind: str
) -> None:
    path = own_board(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"mine"', '"yours"').replace('setup = "stm32f405"', 'setup = "x"'))
    if kind == "setup":
        (tmp_path / "uart_yours.c").touch()
        there = {"none", "stm32f405"}
    else:
        (tmp_path / "setup_x.c").touch()
        there = {"cmsdk", "mine", "stm32", "pl011"}
    with pytest.raises(InputError) as caught:
        load_target(str(path))
    name = "yours" if kind == "uart" else "x"
    where = f"{tmp_path} or firmware/port/cortexm or firmware/port/baremetal"
    start, _, named = str(caught.value).partition("; there are ")
    assert start == f"{path}: {key}: no {kind}_{name}.c in {where}"
    assert there <= set(named.split(", "))


@pytest.mark.parametrize("name", ["-x", "a b", "a" * 32, ".hidden"])
def test_a_name_that_no_board_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is named with 1 to 31 letters"):
        load_target(str(own_board(tmp_path, name)))


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("none.toml", "no such file"),
        ("./none", "no such file"),
        ("/dev/null", "is a pipe or a device"),
        (".//", "is a folder"),
        ("netduinoplus", "or the path of a board's TOML; did you mean 'netduinoplus2'"),
    ],
)
def test_a_word_that_names_no_board_is_one_line(word: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        load_target(word)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_reach_cmake_as_they_are(tmp_path: Path) -> None:
    from toolkit.codegen.board import board_cmake

    path = own_board(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"-mthumb", ', '"-mthumb", "-DA=\\"$B\\\\\\"", '))
    assert r"-mthumb;-DA=\"\$B\\\";" in board_cmake(load_target(str(path)))


@pytest.mark.parametrize("like", target_names())
def test_new_starts_from_a_board(tmp_path: Path, like: str) -> None:
    path = tmp_path / "new.toml"
    done = CliRunner().invoke(group, ["targets", "new", str(path), "--like", like])
    assert done.exit_code == 0, done.output
    board, old = load_target(str(path)), load_target(like)
    assert board.verified_on == ()
    assert (board.memories, board.uart, board.timer) == (old.memories, old.uart, old.timer)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"#:schema {(TARGETS / 'board.schema.json').as_uri()}"
    assert like in lines[1]


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    path = own_board(tmp_path)
    before = path.read_bytes()
    for output, why in ((path, "exists"), (tmp_path / "x.txt", "ends in .toml")):
        done = CliRunner().invoke(group, ["targets", "new", str(output), "--like", LIKE])
        assert why in str(done.exception)
    assert path.read_bytes() == before


def test_targets_tells_of_own_boards() -> None:
    assert "--target PATH.toml" in CliRunner().invoke(group, ["targets"]).stderr
