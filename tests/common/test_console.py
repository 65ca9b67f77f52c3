# SPDX-License-Identifier: BSD-3-Clause
"""Names given by a user are printed as they are; what the system refuses is told in one line."""

import ast
import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.table import Table

from quantize.errors import InputError
from tests.support.small_models import small_model
from toolkit.cli import group
from toolkit.common.console import PlainConsole
from toolkit.common.errors import Interrupted, plain_errors, system_line

ROOT = Path(__file__).resolve().parents[2]
# A folder name that rich would read as markup and emoji, longer than a terminal's line.
STRANGE = "a [red]b[/] [/x] :warning: [link=x] " + 12 * "long name "


def printed(print_: str) -> tuple[PlainConsole, io.StringIO]:
    console, text = PlainConsole(), io.StringIO()
    console.file = text
    return console, text


def test_text_is_printed_as_it_is() -> None:
    console, text = printed("")
    console.print(f"wrote {STRANGE}/x.dkq")
    assert text.getvalue() == f"wrote {STRANGE}/x.dkq\n"


def test_tables_print_cells_as_they_are() -> None:
    console, text = printed("")
    table = Table("[/x]", title="[/title]", caption=":warning:")
    table.add_row("[red]cell[/]")
    console.print(table)
    for word in ("[/x]", "[/title]", ":warning:", "[red]cell[/]"):
        assert word in text.getvalue()


def test_a_status_shows_its_text_as_it_is() -> None:
    console, text = printed("")
    with console.status("quantising [/x]"):
        console.print("[/y]")
    assert "[/y]" in text.getvalue()


def test_paths_in_commands_are_printed_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / STRANGE
    folder.mkdir(parents=True)
    model, output = folder / "m.dkq", folder / "m.tflite"
    small_model().save(model)
    words = ["export", "--no-check", "--model", str(model), "--output", str(output)]
    result = CliRunner().invoke(group, words)
    assert result.exit_code == 0, result.exception
    assert f"{output}: " in result.stderr
    absent = str(folder / "absent.dkq")
    result = CliRunner().invoke(group, ["export", "--model", absent])
    assert str(result.exception).startswith(absent)


def _sources() -> list[Path]:
    return [*ROOT.glob("toolkit/**/*.py"), *ROOT.glob("quantize/**/*.py")]


def test_there_is_one_console_and_nothing_turns_markup_on() -> None:
    for path in _sources():
        if path.name == "console.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            assert name.split(".")[-1] not in ("Console", "from_markup"), where
            on = [k for k in node.keywords if k.arg in ("markup", "emoji", "highlight")]
            assert not [k for k in on if ast.unparse(k.value) != "False"], where
            if name.split(".")[-1] == "TextColumn" and not _is_constant(node.args[0]):
                assert [k for k in on if k.arg == "markup"], f"{where}: give it markup=False"
            if name.split(".")[-1] == "update" and "status" in name:
                assert ast.unparse(node.args[0]).startswith("Text("), where


def _is_constant(node: ast.expr) -> bool:
    """Tell whether a column's text does not depend on the task's name."""
    return isinstance(node, ast.Constant) and "{" not in str(node.value)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOENT, "No such file", "/a"), "/a: No such file"),
        (OSError(errno.EXDEV, "Cross-device", b"/a", None, b"/b"), "/a: /b: Cross-device"),
        (OSError(errno.ENOSPC, "No space"), "input or output failed: No space"),
        (OSError("a word"), "input or output failed: a word"),
        (OSError(), "input or output failed: OSError"),
    ],
)
def test_one_line_for_what_the_system_refuses(error: OSError, line: str) -> None:
    assert system_line(error) == line
    with pytest.raises(InputError) as caught, plain_errors():
        raise error
    assert str(caught.value) == line


def test_neither_an_early_end_nor_ctrl_c_is_an_abort() -> None:
    with pytest.raises(InputError, match="ends too early"), plain_errors():
        raise EOFError("no data left")
    with pytest.raises(Interrupted), plain_errors():
        raise KeyboardInterrupt


def shell(line: str) -> subprocess.CompletedProcess[str]:
    dredkit = f"'{sys.executable}' -m toolkit.cli"
    words = ["bash", "-c", line.replace("dredkit", dredkit)]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("targets --json - >/dev/full", f"standard output: {os.strerror(errno.ENOSPC)}"),
        ("targets --json /dev/full", f"/dev/full: {os.strerror(errno.ENOSPC)}"),
        ("--help >/dev/full", os.strerror(errno.ENOSPC)),
        ("targets --json - >&-", "standard output: it is closed"),
        ("targets --json /", "cannot write /: "),
        ("quantize --stage decoder --voice tests --output /dev/null", "tests: "),
        ("quantize --weights tests", "tests: "),
    ],
)
def test_where_words_cannot_go(line: str, says: str) -> None:
    done = shell(f"dredkit {line}")
    told = [one for one in done.stderr.splitlines() if one.startswith("dredkit: ")]
    assert done.returncode == 2, done.stderr
    assert len(told) == 1, done.stderr
    assert says in told[0]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("line", ["targets --json -", "--help", "targets 2>&1"])
def test_a_reader_that_has_gone(line: str) -> None:
    # The reader ends before the command begins, so nobody reads the pipe any more.
    script = (
        "import os, subprocess, sys\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        f"err = write if '2>&1' in {line!r} else None\n"
        f"words = {line.replace(' 2>&1', '').split()!r}\n"
        "done = subprocess.run([sys.executable, '-m', 'toolkit.cli', *words], stdout=write,\n"
        "                      stderr=err)\n"
        "sys.exit(done.returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd")
def test_process_substitution_and_appending(tmp_path: Path) -> None:
    done = shell(f"dredkit targets --json >(cat >{tmp_path}/a) 2>/dev/null; wait; cat {tmp_path}/a")
    assert '"mps3-an547"' in done.stdout
    done = shell(
        f"echo before >{tmp_path}/b; dredkit targets --json /dev/stdout >>{tmp_path}/b 2>/dev/null"
    )
    assert done.returncode == 0
    text = (tmp_path / "b").read_text()
    assert text.startswith("before\n[")
    assert '"mps3-an547"' in text
