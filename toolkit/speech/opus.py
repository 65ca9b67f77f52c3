# SPDX-License-Identifier: BSD-3-Clause
"""Fetch libopus' source from the machine's own Debian mirror: `python -m toolkit.speech.opus`.

Examples and tests build it as the base codec of a call. apt fetches it and checks its signatures,
with lists and settings in a folder of its own, so that the machine's apt stays as it is.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.common.errors import DredkitError, InputError, ToolError, exit_code, plain_errors
from toolkit.common.folders import alone
from toolkit.common.paths import BUILD

FOLDER: Final = BUILD / "opus"
# These list libopus' C files; firmware/examples/opus/CMakeLists.txt reads them.
FILE_LISTS: Final = ("opus_sources.mk", "celt_sources.mk", "silk_sources.mk")
SOURCE_PACKAGE, BINARY_PACKAGE = "opus", "libopus0"
_TIMEOUT_S = 300.0  # a mirror that does not answer must not block for ever
# apt-cache madison: package | version | address suite/component architecture Packages
_OFFER = re.compile(r"^[^|]*\|[^|]*\| (\S+) ([^\s/]+)/(\S+) \S+ Packages$")
_SIGNED_BY = re.compile(r"^Signed-By:(.*(?:\n[ \t].*)*)", re.MULTILINE | re.IGNORECASE)
_SIGNED_BY_OPTION = re.compile(r"\[[^]]*signed-by=([^\s\]]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Archive:
    """A part of a Debian archive; `signed_by` names or holds its keys, if its entry does."""

    address: str
    suite: str
    component: str
    signed_by: str

    def entry(self) -> str:
        """Return an entry of apt's sources for the source packages of this part."""
        keys = f"Signed-By:{self.signed_by}\n" if self.signed_by else ""
        return (
            f"Types: deb-src\nURIs: {self.address}\nSuites: {self.suite}\n"
            f"Components: {self.component}\n{keys}"
        )


def fetch(folder: Path = FOLDER) -> Path:
    """Return the folder of libopus' source in `folder`; fetch it if it is not there yet.

    Raises ToolError if the machine has no apt, or if apt cannot fetch or verify the package.
    """
    with alone(folder):
        for found in sorted(folder.glob("opus-*")):
            if is_source(found):
                return found
        with tempfile.TemporaryDirectory(dir=folder, prefix="fetch-") as name:
            unpacked = _unpacked(Path(name))
            place = folder / unpacked.name
            if place.exists():
                shutil.rmtree(place)
            return unpacked.rename(place)


def is_source(folder: Path) -> bool:
    """Return whether a folder holds libopus' source."""
    return all((folder / name).is_file() for name in FILE_LISTS)


def archive_of(package: str) -> Archive:
    """Return the part of an archive from which apt would install a package."""
    offers = _run(["apt-cache", "madison", package])
    for line in offers.splitlines():
        if offer := _OFFER.match(line):
            address, suite, component = offer.groups()
            return Archive(address, suite, component, _keys(address, suite))
    raise ToolError(f"apt knows no package {package}: apt-get update, on Debian or a relative")


def signed_by(file: Path, number: int) -> str:
    """Return the keys that entry `number` (from 1) of a file of apt's sources names; "" if none.

    Entries are stanzas in a .sources file, and lines in a .list file.
    """
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".list":
        found = _SIGNED_BY_OPTION.search(text.splitlines()[number - 1])
        return f" {found.group(1)}" if found else ""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    stanzas = [part for part in re.split(r"\n\s*\n", "\n".join(lines).strip()) if part]
    found = _SIGNED_BY.search(stanzas[number - 1])
    return found.group(1) if found else ""


def _keys(address: str, suite: str) -> str:
    """Return the keys of an archive, from the entry that it has in apt's sources."""
    form = "$(SITE)|$(RELEASE)|$(SOURCESENTRY)"
    for line in _run(["apt-get", "indextargets", "--format", form]).splitlines():
        site, release, entry = line.split("|")
        if (site, release) == (address, suite):
            name, _, number = entry.rpartition(":")
            return signed_by(Path(name), int(number))
    return ""


def _unpacked(folder: Path) -> Path:
    """Let apt fetch, verify and unpack the source package in a folder; return where it lies."""
    entries, state, cache = (folder / name for name in ("entries", "state", "cache"))
    for made in (entries, state / "lists" / "partial", cache / "archives" / "partial"):
        made.mkdir(parents=True)
    (entries / "opus.sources").write_text(archive_of(BINARY_PACKAGE).entry(), encoding="utf-8")
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": entries,
        "Dir::State": state,
        "Dir::State::status": "/dev/null",
        "Dir::Cache": cache,
        "APT::Sandbox::User": "",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    if shutil.which("dpkg-source") is None:
        raise ToolError("dpkg-source is missing: apt-get install dpkg-dev")
    _run(["apt-get", *options, "--error-on=any", "update"], folder)
    _run(["apt-get", *options, "source", SOURCE_PACKAGE], folder)
    for found in sorted(folder.glob("opus-*")):
        if is_source(found):
            return found
    raise ToolError(f"the source package {SOURCE_PACKAGE} does not have libopus' lists of files")


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    """Run a command of apt and return what it prints. Raises ToolError with apt's own words."""
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=_TIMEOUT_S, check=False, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        raise ToolError(
            f"{command[0]} is missing: unpack a release of Opus and give its folder"
        ) from None
    except subprocess.TimeoutExpired:
        raise ToolError(f"{command[0]} has not ended after {_TIMEOUT_S:.0f} s") from None
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.startswith("E: ")]
        said = words[0] if words else f"exit status {done.returncode}"
        raise ToolError(f"{command[0]} cannot fetch libopus' source: {said}")
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    """Print where libopus' source lies; return the exit code."""
    try:
        with plain_errors():
            print(fetch(Path(arguments[0]).resolve() if arguments else FOLDER))
    except (DredkitError, InputError) as error:
        print(f"dredkit: {error}", file=sys.stderr)
        return exit_code(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
