# SPDX-License-Identifier: BSD-3-Clause
"""Ctrl-C, SIGTERM and SIGHUP at any moment: one line, 128 + signal, nothing left behind.

No test sends a signal at a certain time: the program signals itself at a known place.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SIGNALS = [
    (signal.SIGINT, "interrupted"),
    (signal.SIGTERM, "terminated"),
    (signal.SIGHUP, "the terminal was closed"),
]
# A module in which the signal arrives; it catches everything, as some packages do.
MODULE = """
import os, signal
try:
    os.kill(os.getpid(), {number})
    for _ in range(10): pass
except BaseException:
    pass
raise SystemExit("survived")
"""
# A command that is interrupted while it works, in a folder that must not remain.
AT_WORK = """
import os, sys, tempfile
import toolkit.cli, toolkit.commands.targets as targets

def interrupted():
    with tempfile.TemporaryDirectory(prefix="dredkit-"):
        os.kill(os.getpid(), {number})
        for _ in range(10): pass
        print("survived")

targets.target_names = interrupted
sys.argv = ["dredkit", "targets", "--json", "-"]
toolkit.cli.main()
"""
QEMU = """
import os, signal
from toolkit.common.interrupts import ending_at_once, unwind
from toolkit.device.boards.qemu import QemuBoard
from toolkit.targets.target import load_target

with ending_at_once():
    unwind()
    with QemuBoard(load_target("netduinoplus2")) as board:
        print(board._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(10): pass
        print("survived")
"""
COMPILING = """
import os, subprocess, sys
from toolkit.common.interrupts import ending_at_once, unwind
from toolkit.device.build.build import _run

wait = subprocess.Popen.wait

def wait_and_tell(process):
    if process.returncode is None and os.path.exists("{go}"):
        with open("{go}", "w"):  # until the child reads it
            os.unlink("{go}")
    return wait(process)

subprocess.Popen.wait = wait_and_tell

with ending_at_once():
    unwind()
    words = "(sleep 20; echo survived) & cat {go}; kill -TERM $PPID; wait"
    _run(["sh", "-c", words], sys.stdout)
"""


def python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(("number", "says"), SIGNALS)
@pytest.mark.parametrize("module", ["click", "rich", "numpy"])
def test_while_modules_are_imported(
    tmp_path: Path, module: str, number: signal.Signals, says: str
) -> None:
    (tmp_path / f"{module}.py").write_text(MODULE.format(number=int(number)))
    for words in (["-m", "toolkit.cli"], ["-c", "from toolkit.cli import main; main()"]):
        done = python(*words, "quantize", PYTHONPATH=str(tmp_path))
        assert (done.returncode, done.stderr) == (128 + number, f"dredkit: {says}\n")
        assert done.stdout == ""


@pytest.mark.parametrize(("number", "says"), SIGNALS)
def test_while_a_command_works(tmp_path: Path, number: signal.Signals, says: str) -> None:
    done = python("-c", AT_WORK.format(number=int(number)), TMPDIR=str(tmp_path))
    assert (done.returncode, done.stderr) == (128 + number, f"dredkit: {says}\n")
    assert f'"error": "{says}"' in done.stdout
    assert "survived" not in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    ignored = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    done = python("-c", ignored + AT_WORK.format(number=int(signal.SIGHUP)), TMPDIR=str(tmp_path))
    assert done.stdout.startswith("survived")


def test_a_test_run_keeps_its_own_signals() -> None:
    before = [signal.getsignal(number) for number, _ in SIGNALS]
    from toolkit.common import interrupts

    with interrupts.ending_at_once():
        interrupts.unwind()
        interrupts.ignore()
    interrupts.unwind()
    assert [signal.getsignal(number) for number, _ in SIGNALS] == before


@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="no QEMU")
def test_an_emulator_ends_with_us(tmp_path: Path) -> None:
    done = python("-c", QEMU, TMPDIR=str(tmp_path))
    assert done.returncode == 128 + signal.SIGTERM
    assert "survived" not in done.stdout
    assert not Path("/proc", done.stdout.strip()).exists()
    assert not list(tmp_path.iterdir())


def test_compilers_end_with_us(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    done = python("-c", COMPILING.format(go=go))
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stdout == ""


@pytest.mark.skipif(
    subprocess.run(
        ["env", "--block-signal=INT", "true"], stderr=subprocess.DEVNULL, check=False
    ).returncode
    != 0,
    reason="this env cannot block signals",
)
def test_ctrl_c_waits_for_the_start_of_python() -> None:
    """As ./run starts it; without that, Python answers with a traceback."""
    early = "import os, signal; os.kill(os.getpid(), signal.SIGINT); from toolkit.cli import main"
    words = ["env", "--block-signal=INT", sys.executable, "-c", early]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (130, "dredkit: interrupted\n")
    # What dredkit starts is not blocked.
    late = (
        "import subprocess, toolkit.cli; from toolkit.common.interrupts import ending_at_once\n"
        "with ending_at_once(): subprocess.run(['sh', '-c', 'kill -INT $$; echo survived'])"
    )
    done = subprocess.run(
        [*words[:-1], late], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
