# SPDX-License-Identifier: BSD-3-Clause
"""The counting plugin in QEMUs of every plugin interface, and in one that loads no plugins."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from toolkit.common.errors import BoardError, ToolError
from toolkit.common.paths import ROOT
from toolkit.measure.cycles.counter import Block, BlockCounter, End, parse_record
from toolkit.measure.cycles.plugin import build_plugin, newest_interface

HOST = ROOT / "tests" / "programs" / "plugin_host.c"
OLD = "TCG plugin x.so requires API version 2147483647, but this QEMU supports only up to version 0"
TOO_NEW = (
    "qemu-system-arm: Could not load plugin x.so: plugin requires API version 2147483647, but this "
    "QEMU supports only up to version {}"
)
TOO_OLD = (
    "qemu-system-arm: Could not load plugin x.so: plugin requires API version 1, but this QEMU "
    "supports only a minimum version of 2"
)


def qemu_saying(folder: Path, words: str) -> str:
    """Return a program that answers any request with `words` and fails."""
    program = folder / "qemu-system-arm"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{words}\nEND\nexit 1\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(("words", "version"), [(OLD, 0), (TOO_NEW.format(1), 1)])
def test_the_version_is_read_from_a_refusal(words: str, version: int, tmp_path: Path) -> None:
    assert newest_interface(qemu_saying(tmp_path, words), tmp_path / "x.so") == version


@pytest.mark.parametrize("program", ["qemu-system-arm", "qemu-system-aarch64"])
def test_the_qemu_found_has_an_interface(program: str, tmp_path: Path) -> None:
    """It works too if the folder's name has a comma and an equals sign."""
    folder = tmp_path / "a,b=c"
    folder.mkdir()
    plugin = build_plugin(folder, program)
    assert plugin == folder / "blocks.so"
    assert 1 <= newest_interface(program, folder / "probe.so") < 100


@pytest.mark.parametrize("version", [1, 2, 4, 6, 7, 8])
def test_a_plugin_for_every_interface_counts_the_same(version: int, tmp_path: Path) -> None:
    """A stand-in for QEMU calls the plugin as that version of the interface says."""
    plugin = build_plugin(tmp_path, qemu_saying(tmp_path, TOO_NEW.format(version)))
    host, record = tmp_path / "host", tmp_path / "record"
    options = ["-std=gnu11", "-Wall", "-Werror", "-rdynamic", f"-DPLUGIN_API={version}"]
    subprocess.run(["gcc", *options, "-o", host, HOST, "-ldl"], check=True)
    marks = ["enter=0x100", "layer=0x300", "network=1", "leave=0x400"]
    subprocess.run([host, plugin, f"out={record}", *marks], check=True)
    run = parse_record(np.fromfile(record, "<u4"), 1)
    starts = [block.start for block in run.blocks]
    assert starts == [0x100, 0x108, 0x200, 0x300]
    assert run.blocks[0] == Block(0x100, 2)
    (step,) = run.steps
    assert [section.end for section in step] == [End.LAYER, End.STEP]
    counts = [
        sorted((starts[number], times, leaps) for number, times, leaps in section.counts.tolist())
        for section in step
    ]
    # Number, times, and the jumps that followed: 0x108 ran twice, once back to itself, then on.
    assert counts[0] == [(0x100, 1, 0), (0x108, 2, 2), (0x200, 1, 1)]
    assert counts[1] == [(0x108, 1, 1), (0x300, 1, 1)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (TOO_OLD, TOO_OLD),
        ("hint: see there\nqemu-system-arm: -plugin: invalid option\n", "-plugin: invalid option"),
        ("", "exit status 1"),
    ],
)
def test_a_qemu_that_loads_no_plugin_ends_in_its_words(
    words: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.measure.cycles.counter.step_marks", lambda image: {"enter": 1})
    counter = BlockCounter(tmp_path / "image")
    with pytest.raises(BoardError) as caught:
        counter.options(qemu_saying(tmp_path, words))
    said = str(caught.value)
    assert said.startswith(f"--cycles: {tmp_path / 'qemu-system-arm'} loads no plugin: ")
    assert said.endswith(told)
    assert "\n" not in said
    assert caught.value.exit_code == 3


def test_a_missing_qemu_or_compiler_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ToolError, match=r"qemu-system-none is missing"):
        build_plugin(tmp_path, "qemu-system-none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="gcc is missing: apt-get install gcc"):
        build_plugin(tmp_path, "qemu-system-arm")
