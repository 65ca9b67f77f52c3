# SPDX-License-Identifier: BSD-3-Clause
"""What dredkit needs on this machine: is it here, is it new enough, and what fixes it.

The list itself is toolkit/data/tools.txt, from which ./run installs.
"""

import importlib.metadata
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolkit.common.paths import DATA, OWN_ARM, ROOT

TOOLS = DATA / "tools.txt"
ELSEWHERE = "else"  # lines of tools.txt with other systems' names, which are for ./run alone
APT_INSTALL = "apt-get install -y --no-install-recommends"
_VERSION = re.compile(r"\d+(?:\.\d+)*")
_PROBE_SECONDS = 20.0


@dataclass(frozen=True)
class Tool:
    """One line of tools.txt."""

    kind: str  # as tools.txt says: apt, arm, a64, usr, sim, dev, opt, pip, pip:SET
    name: str
    probe: str  # commands or patterns of files, as tools.txt says; "-" for a Python package
    minimum: str  # version, "-" for any
    purpose: str


@dataclass(frozen=True)
class Finding:
    """What the machine has of one tool."""

    tool: Tool
    version: str | None  # None: not here; "": here, but it has no version
    status: str  # ok, missing, old
    fix: str | None  # the command that installs it

    @property
    def needed(self) -> bool:
        """Does dredkit itself need it, not only its tests or a few commands or targets?"""
        return self.tool.kind in ("apt", "arm", "pip")


def read_tools(path: Path = TOOLS) -> list[Tool]:
    """Return the tools that the file lists, in its order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    words = [line.split(maxsplit=4) for line in lines if line and not line.startswith("#")]
    return [Tool(*fields) for fields in words if fields[0] != ELSEWHERE]


def examine(tool: Tool) -> Finding:
    """Look for one tool on this machine; runs `PROBE --version` for a command."""
    if tool.kind.startswith("pip"):
        version = _package_version(tool.name)
    elif tool.probe.startswith("/"):
        roots = (Path("/"), OWN_ARM) if tool.kind == "arm" else (Path("/"),)
        places = [(root, file) for root in roots for file in tool.probe.split(",")]
        version = "" if any(_exists(root, file) for root, file in places) else None
    else:
        command, *elsewhere = tool.probe.split(",")
        version = _command_version(command)
        if version is None and shutil.which("apt-get") is None:
            versions = map(_command_version, elsewhere)
            version = next((found for found in versions if found is not None), None)
    if version is None:
        return Finding(tool, None, "missing", _fix(tool))
    if version and tool.minimum != "-" and _order(version) < _order(tool.minimum):
        return Finding(tool, version, "old", _fix(tool))
    return Finding(tool, version, "ok", None)


def fixes(findings: Iterable[Finding]) -> list[str]:
    """Return the commands that fix all needed findings; one installs all packages of apt."""
    bad = [finding for finding in findings if finding.fix and finding.needed]
    packages = [finding.tool.name for finding in bad if finding.tool.kind != "pip"]
    commands = [f"{APT_INSTALL} {' '.join(packages)}"] if packages else []
    return commands + [f.fix for f in bad if f.fix and f.tool.kind == "pip"]


def _fix(tool: Tool) -> str:
    if tool.kind.startswith("pip:"):
        return f"./run setup {tool.kind.removeprefix('pip:')}"
    if tool.kind == "pip":
        return f".venv/bin/python -m pip install --no-deps '{tool.name}=={_locked(tool)}'"
    return f"{APT_INSTALL} {tool.name}"


def _locked(tool: Tool) -> str:
    """Return the first version that the lock file names for a package, else its minimum."""
    lock = ROOT / "requirements.lock"
    if not lock.is_file():
        return tool.minimum
    found = re.search(rf"^{re.escape(tool.name)}==(\S+)", lock.read_text(), re.M)
    return found[1] if found else tool.minimum


def _exists(root: Path, pattern: str) -> bool:
    """Is there a file below `root` that matches an absolute pattern?"""
    return any(root.glob(pattern.lstrip("/")))


def _package_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _command_version(command: str) -> str | None:
    """Return the version that a command prints of itself, "" if it prints none, None if absent."""
    path = shutil.which(command)
    if path is None:
        return None
    for option in ("--version", "-version"):
        try:
            run = subprocess.run(
                [path, option], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None  # it is there and does not run
        # Debian's own version stands in parentheses, before or after the program's.
        found = re.search(r"\d+(?:\.\d+)+", re.sub(r"\([^)]*\)", " ", run.stdout))
        if run.returncode == 0 and found:
            return found[0]
    return ""


def _order(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, for comparing: "2.13.0+cpu" is (2, 13, 0)."""
    found = _VERSION.match(version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
