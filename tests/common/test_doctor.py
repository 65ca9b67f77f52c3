# SPDX-License-Identifier: BSD-3-Clause
"""The doctor tells what is here, what is missing, and the command that installs it."""

import ast
import json
import os
import re
import sys
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner

from toolkit.commands.doctor import command
from toolkit.common import doctor
from toolkit.common.doctor import Tool, examine, fixes, read_tools
from toolkit.common.errors import ToolError

ROOT = Path(__file__).resolve().parents[2]


def tool(kind: str, name: str, probe: str = "-", minimum: str = "-") -> Tool:
    return Tool(kind, name, probe, minimum, "a test")


def program(folder: Path, name: str, prints: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)


@pytest.fixture
def path_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make `tmp_path` the only folder in PATH, and return it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_every_listed_tool_is_well_formed() -> None:
    tools = read_tools()
    kinds = {"apt", "arm", "a64", "usr", "sim", "dev", "opt", "pip", "pip:call"}
    kinds |= {"pip:export", "pip:probe", "pip:train"}
    assert {entry.kind for entry in tools} == kinds
    assert len({entry.name for entry in tools}) == len(tools)
    for entry in tools:
        assert re.fullmatch(r"-|\d+(\.\d+)*", entry.minimum), entry
        assert (entry.probe == "-") == entry.kind.startswith("pip"), entry


def test_every_package_has_its_names_elsewhere() -> None:
    lines = [line.split() for line in doctor.TOOLS.read_text().splitlines()]
    names = {words[1]: words[2:] for words in lines if words and words[0] == "else"}
    wanted = {t.name for t in read_tools() if t.kind in ("apt", "arm", "a64", "usr", "sim", "dev")}
    assert set(names) == wanted | {"python3", "python3-venv"}
    assert all(len(elsewhere) == 3 for elsewhere in names.values())


def sets_of_lock() -> dict[str, str]:
    """Return the text of each set in requirements.lock."""
    parts = re.split(r"^# \[(\w+)\]\n", (ROOT / "requirements.lock").read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_python_packages_are_those_of_pyproject_and_lock() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.M | re.S)
    assert block
    blocks = {"base": block[1]} | dict(re.findall(r"^(\w+) = \[(.*?)\]$", text, re.M | re.S))
    locked = sets_of_lock()
    assert list(locked) == ["base", "call", "probe", "export", "train", "test"]
    for name, packages in locked.items():
        wanted = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', blocks[name]))
        assert wanted, name
        kind = "pip" if name == "base" else f"pip:{name}"
        listed = {entry.name: entry.minimum for entry in read_tools() if entry.kind == kind}
        assert listed == (wanted if name != "test" else {})
        # "test" comes with all others, and lists what they lack.
        text = "".join(locked.values()) if name == "test" else packages
        for package in wanted:
            assert re.search(rf"^{re.escape(package)}==", text, re.M), package


def test_sets_that_are_installed_together_do_not_repeat_or_contradict() -> None:
    """Every set comes with base, "test" with all; others may share a package of one version."""
    lines = {name: text.splitlines() for name, text in sets_of_lock().items()}
    names = {name: {re.split("==", line)[0] for line in of} for name, of in lines.items()}
    extras = ("call", "probe", "export", "train")
    for name in (*extras, "test"):
        assert not names["base"] & names[name], name
    assert not names["test"] & set().union(*(names[name] for name in extras))
    for one, other in combinations(extras, 2):
        for package in names[one] & names[other]:
            found = [
                {x.partition(" ;")[0] for x in lines[n] if x.startswith(f"{package}==")}
                for n in (one, other)
            ]
            assert found[0] == found[1], package
    assert {"torch", "sympy", "networkx", "mpmath", "fsspec"} <= names["train"]
    assert {"dask", "tornado", "fsspec"} <= names["call"]


# Packages whose name is not the name to import.
IMPORTED_AS = {
    "ai-edge-litert": "ai_edge_litert",
    "opuslib-next": "opuslib_next",
    "pyelftools": "elftools",
    "pyserial": "serial",
}


def test_the_listed_python_packages_are_those_that_the_code_imports() -> None:
    imported = set()
    for folder in ("toolkit", "quantize"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.partition(".")[0])
    # tomli replaces the standard tomllib on Python 3.10; triton comes with torch for a GPU, dask
    # with distributed.
    known = {"toolkit", "quantize", "tomllib", "tomli", "triton", "dask"}
    foreign = imported - sys.stdlib_module_names - known
    listed = [entry.name for entry in read_tools() if entry.kind.startswith("pip")]
    assert foreign == {IMPORTED_AS.get(name, name) for name in listed}


def test_a_missing_command(path_folder: Path) -> None:
    finding = examine(tool("apt", "cmake", "cmake", "3.25"))
    assert (finding.status, finding.version) == ("missing", None)
    assert finding.fix == "apt-get install -y --no-install-recommends cmake"


@pytest.mark.parametrize(
    ("prints", "version", "status"),
    [
        ("cmake version 3.25.1", "3.25.1", "ok"),
        ("cmake version 3.3.1", "3.3.1", "old"),
        ("arm-none-eabi-gcc (15:12.2.rel1-1) 12.2.1 20221205", "12.2.1", "ok"),
        ("GNU gdb (Debian 1.1-3) 13.1", "13.1", "ok"),
        ("a tool without a version", "", "ok"),
    ],
)
def test_versions_are_read_and_compared_as_numbers(
    path_folder: Path, prints: str, version: str, status: str
) -> None:
    program(path_folder, "thing", prints)
    finding = examine(tool("apt", "thing", "thing", "3.25"))
    assert (finding.version, finding.status) == (version, status)


def test_a_program_that_cannot_start_is_missing(path_folder: Path) -> None:
    program(path_folder, "thing", "")
    (path_folder / "thing").write_text("#!/no/such/interpreter\n")
    assert examine(tool("apt", "thing", "thing")).status == "missing"


def test_files_and_their_alternatives(tmp_path: Path) -> None:
    probe = f"{tmp_path}/a,{tmp_path}/*/b-*.h"
    assert examine(tool("apt", "headers", probe)).status == "missing"
    (tmp_path / "14").mkdir()
    (tmp_path / "14" / "b-x86.h").touch()
    assert examine(tool("apt", "headers", probe)).status == "ok"


def test_a_missing_python_package_is_fixed_with_the_locked_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "_package_version", lambda name: None)
    locked = re.search(r"^click==(\S+)", (ROOT / "requirements.lock").read_text(), re.M)
    assert locked
    fix = examine(tool("pip", "click")).fix
    assert fix == f".venv/bin/python -m pip install --no-deps 'click=={locked[1]}'"


def test_a_missing_set_is_fixed_by_run_and_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "_package_version", lambda name: None)
    finding = examine(tool("pip:train", "torch"))
    assert (finding.status, finding.fix) == ("missing", "./run setup train")
    assert fixes([finding]) == []


def test_the_compiler_that_run_unpacked_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "OWN_ARM", tmp_path)
    newlib = tool("arm", "newlib", "/no/such/folder/stdint.h")
    assert examine(newlib).status == "missing"
    (tmp_path / "no" / "such" / "folder").mkdir(parents=True)
    (tmp_path / "no" / "such" / "folder" / "stdint.h").touch()
    assert examine(newlib).status == "ok"


def test_one_apt_command_fixes_all_and_what_is_optional_does_not_count(path_folder: Path) -> None:
    missing = [
        tool("apt", "one", "one"),
        tool("dev", "lint", "lint"),
        tool("apt", "two", "two"),
        tool("opt", "three", "three"),
    ]
    assert fixes(map(examine, missing)) == [
        "apt-get install -y --no-install-recommends one two",
    ]


def test_command_is_content_with_a_complete_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.commands.doctor.read_tools", lambda: [tool("apt", "sh", "sh")])
    result = CliRunner().invoke(command, ["--json", "-"], standalone_mode=False)
    assert result.exception is None
    told = json.loads(result.stdout)
    assert told["ok"] is True
    assert [entry["status"] for entry in told["tools"]] == ["ok"]


def test_command_fails_on_a_missing_tool_and_still_writes_json(
    path_folder: Path, tmp_path: Path
) -> None:
    result = CliRunner().invoke(command, ["--json", str(tmp_path / "d.json")])
    assert isinstance(result.exception, ToolError)
    assert result.exception.exit_code == 2
    assert "apt-get install" in str(result.exception)
    told = json.loads((tmp_path / "d.json").read_text())
    assert told["ok"] is False
    states = {entry["name"]: entry["status"] for entry in told["tools"]}
    assert states["cmake"] == "missing"
    assert states["numpy"] == "ok"
    assert os.environ["PATH"] == str(path_folder)


def test_a_command_by_another_systems_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fedora's gdb is all that Debian's gdb-multiarch is; with apt, Debian's name is wanted."""
    gdb = next(tool for tool in read_tools() if tool.name == "gdb-multiarch")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.examine(gdb).status == "missing"
    (tmp_path / "gdb").write_text("#!/bin/sh\necho GNU gdb 14.2\n")
    (tmp_path / "gdb").chmod(0o755)
    assert (doctor.examine(gdb).status, doctor.examine(gdb).version) == ("ok", "14.2")
    (tmp_path / "apt-get").symlink_to("gdb")
    assert doctor.examine(gdb).status == "missing"
