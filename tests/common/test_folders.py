# SPDX-License-Identifier: BSD-3-Clause
"""Processes that share a build folder, and folders that cannot be written."""

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.small_models import small_model
from toolkit.commands import flash
from toolkit.common.errors import BoardError, InputError
from toolkit.common.folders import LOCK, alone, own_copy
from toolkit.common.paths import ROOT
from toolkit.device import pipeline
from toolkit.stages.stage import stage_of
from toolkit.targets.target import load_target

CHILD = """
import sys
from pathlib import Path
from toolkit.common.folders import alone
folder = Path(sys.argv[1])
with alone(folder):
    print((folder / "done").exists(), flush=True)
    sys.stdin.readline()
    (folder / "done").touch()
"""


def child(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_taken(folder: Path) -> bool:
    """Tell whether some use of `alone` holds a folder."""
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_second_process_waits_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    first = child(folder)
    assert first.stdout is not None
    assert first.stdout.readline() == "False\n"
    second = child(folder)
    assert second.stderr is not None
    assert "waiting for another process" in second.stderr.readline()
    assert first.communicate("\n") == ("", "")
    out, _ = second.communicate("\n")
    assert (out, first.returncode, second.returncode) == ("True\n", 0, 0)


def test_uses_nest_and_end_with_the_outermost(tmp_path: Path) -> None:
    with alone(tmp_path):
        with alone(tmp_path):
            assert is_taken(tmp_path)
        assert is_taken(tmp_path)
    assert not is_taken(tmp_path)
    with pytest.raises(KeyError), alone(tmp_path):
        raise KeyError
    assert not is_taken(tmp_path)


@pytest.mark.parametrize("target", ["host", "netduinoplus2"])
def test_both_folders_are_held_until_all_is_built(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build holds the folder from the generated C to the loaded library and copied image."""
    seen = []

    def watched(name: str) -> None:
        inner = getattr(pipeline, name)

        def call(*arguments: Any, **options: Any) -> Any:
            seen.append((is_taken(tmp_path / "host"), is_taken(tmp_path / target)))
            return inner(*arguments, **options)

        monkeypatch.setattr(pipeline, name, call)

    steps = ["generate", "build_host_library", "HostEngine", "own_copy"]
    for name in (*steps, "build_firmware", "build_server"):
        watched(name)
    prepared = pipeline.prepare(stage_of(small_model()), load_target(target), tmp_path)
    assert len(seen) >= 5
    assert set(seen) == {(True, True)}
    assert not is_taken(tmp_path / "host")
    made = prepared.build.elf if prepared.build else prepared.server
    assert made is not None
    assert tmp_path not in made.parents
    assert made.is_file()


def test_another_build_does_not_change_an_image_at_hand(tmp_path: Path) -> None:
    board = load_target("netduinoplus2")
    prepared = pipeline.prepare(stage_of(small_model()), board, tmp_path)
    assert prepared.build is not None
    before = prepared.build.elf.read_bytes()
    (tmp_path / board.name / "firmware.elf").write_bytes(b"another one")
    assert prepared.build.elf.read_bytes() == before


@pytest.mark.parametrize("locked", [True, False])
def test_flash_copies_the_image_while_nobody_builds(
    locked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that was built here lies beside a lock; any other is taken as it is."""
    seen: list[Any] = []

    def copied(file: Path) -> Path:
        seen.append(is_taken(tmp_path) if locked else (tmp_path / LOCK).exists())
        return own_copy(file)

    def flashed(board: Any, server: str, image: Path, probe: str | None) -> None:
        seen.append(image.parent != tmp_path)
        raise BoardError("no probe")

    monkeypatch.setattr(flash, "own_copy", copied)
    monkeypatch.setattr(flash, "flash_probe", flashed)
    image = tmp_path / "firmware.elf"
    image.write_bytes(b"an image")
    if locked:
        (tmp_path / LOCK).touch()
    words = ["--target", "netduinoplus2", "--server", "openocd", "--image", str(image)]
    done = CliRunner().invoke(flash.command, words)
    assert isinstance(done.exception, BoardError)
    assert seen == [locked, True]


def test_a_folder_that_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*file"), alone(tmp_path / "file" / "new"):
        raise AssertionError("it was entered")
    with pytest.raises(InputError, match=r"cannot write .*gone: Permission"), alone(tmp_path):
        raise PermissionError(13, "Permission denied", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="No such file"):
        own_copy(tmp_path / "nothing")


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "--target", "host", "--stage", "rdovae_enc", "--model", "MODEL"],
        ["build", "--target", "host"],
        ["verify", "--target", "host", "--stage", "rdovae_enc", "--model", "MODEL"],
    ],
)
def test_commands_end_in_one_line_without_a_build_folder(words: list[str], tmp_path: Path) -> None:
    """/proc takes no new folder, not even from root."""
    model = tmp_path / "model.dkq"
    small_model().save(model)
    words = [str(model) if word == "MODEL" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-m", "toolkit.cli", *words],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DREDKIT_BUILD": "/proc/nope"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "cannot write /proc/nope" in done.stderr
    assert "Traceback" not in done.stderr
