# SPDX-License-Identifier: BSD-3-Clause
"""The record of a verification on a board of silicon.

It is the verify.json of that run, as `dredkit verify` wrote it: targets/verified/NAME.json for a
board that ships, BOARD.verified.json beside the TOML of any other. Without it a board is
unverified.
"""

import json
from pathlib import Path
from typing import Any, Final

from quantize.files.reading import file_bytes
from toolkit.common.errors import InputError
from toolkit.common.paths import ships
from toolkit.targets.target import TARGETS, Target

FORMAT: Final = "dredkit-verification-1"
MOST_BYTES: Final = 1 << 24


def record_path(target: Target) -> Path:
    """Return where a board's record lies, whether or not it is there."""
    if ships(target.path):
        return TARGETS / "verified" / f"{target.name}.json"
    return target.path.with_suffix(".verified.json")


def read_record(path: Path, target: Target) -> dict[str, Any]:
    """Read a verify.json that proves a board of silicon.

    Raises InputError for one that does not: it failed, is of another board, or the board's core did
    not count its own cycles, as it does not in emulation.
    """
    try:
        facts = json.loads(file_bytes(path, "give a verify.json", most=MOST_BYTES))
    except (ValueError, RecursionError):
        raise InputError(f"{path}: not JSON; give a verify.json of `dredkit verify`") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise InputError(f"{path}: not a {FORMAT} file; give a verify.json of `dredkit verify`")
    link, board = (facts.get(key) for key in ("link", "board"))
    if not isinstance(link, dict) or not isinstance(board, dict):
        raise InputError(f"{path}: damaged; run `dredkit verify` again")
    if facts.get("target") != target.name:
        raise InputError(f"{path}: is of {facts.get('target')}, not of {target.name}")
    if facts.get("ok") is not True:
        raise InputError(f"{path}: that verification failed")
    if link.get("core_counts_cycles") is not True:
        raise InputError(
            f"{path}: the core counted no cycles of its own, so this was no board of silicon"
        )
    told = {"core": target.core, "isa": target.isa, "clock_hz": target.clock_hz}
    for key, value in told.items():
        if board.get(key) != value:
            raise InputError(
                f"{path}: {target.path.name} has changed since: {key} was {board.get(key)}, is "
                f"{value}; run `dredkit verify` again"
            )
    return facts


def places(target: Target) -> list[str]:
    """Return where a board has been verified: emulators by its TOML, silicon by its record."""
    found = list(target.verified_on)
    path = record_path(target)
    if path.is_file():
        facts = read_record(path, target)
        found.append(f"silicon, {str(facts.get('recorded'))[:10]}")
    return found
