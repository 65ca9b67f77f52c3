# SPDX-License-Identifier: BSD-3-Clause
"""The counting plugin (blocks.c), compiled for the QEMU that will load it.

A plugin declares the version of QEMU's plugin interface that it was written for, and QEMU refuses a
version that is too old or too new. QEMU does not tell its version in advance, but its refusal does.
So a plugin that is too new for any QEMU is tried first.
"""

import re
import shutil
import subprocess
from pathlib import Path

from toolkit.common.errors import BoardError, ToolError

SOURCE = Path(__file__).with_name("blocks.c")
_TOO_NEW = 2**31 - 1  # a version that no QEMU knows
_NEWEST = re.compile(r"supports only up to version (\d+)")
_ANSWER_TIMEOUT = 60.0  # seconds; QEMU refuses a plugin before it makes a machine


def build_plugin(folder: Path, program: str) -> Path:
    """Compile the plugin into a folder for the QEMU called `program`, and return its path.

    Raises ToolError without a compiler or QEMU, BoardError with QEMU's words if it loads no plugin.
    """
    probe = _compile(folder / "probe.so", _TOO_NEW)
    return _compile(folder / "blocks.so", newest_interface(program, probe))


def newest_interface(program: str, probe: Path) -> int:
    """Return the newest plugin interface of a QEMU: it names it when it refuses `probe`."""
    found = shutil.which(program)
    if found is None:
        raise ToolError(f"{program} is missing: `dredkit doctor` shows the remedy")
    # QEMU for a process wants a program, which it does not come to.
    whole = Path(program).name.startswith("qemu-system-")
    machine = ["-M", "none", "-nodefaults", "-display", "none", "-S"] if whole else []
    command = [found, *machine, "-plugin", f"file={escaped(probe)}", *([] if whole else ["none"])]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_ANSWER_TIMEOUT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BoardError(f"--cycles: {program} loads no plugin: {error}") from None
    said = (done.stdout + done.stderr).strip()
    if version := _NEWEST.search(said):
        return int(version.group(1))
    words = said.splitlines()[-1].strip() if said else f"exit status {done.returncode}"
    raise BoardError(f"--cycles: {program} loads no plugin: {words}")


def escaped(path: Path) -> str:
    """Return a path as a value in a QEMU option, where a single comma would end it."""
    return str(path).replace(",", ",,")


def _compile(plugin: Path, version: int) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        raise ToolError("gcc is missing: apt-get install gcc")
    command = [compiler, "-std=gnu11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden"]
    done = subprocess.run(
        [*command, f"-DPLUGIN_API={version}", "-o", str(plugin), str(SOURCE)],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        words = [*done.stderr.strip().splitlines(), f"exit status {done.returncode}"]
        raise ToolError(f"{SOURCE.name} does not compile: {words[0]}")
    return plugin
