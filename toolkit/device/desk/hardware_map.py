# SPDX-License-Identifier: BSD-3-Clause
"""The hardware map: which boards there are, and how each is reached. A TOML file.

The keys are those of a hardware map of Zephyr's Twister, so that its users know them: connected,
id, platform, product, runner, probe_id, serial, notes; `options` is our own.
"""

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from quantize.files.reading import file_bytes
from toolkit.common.errors import InputError
from toolkit.common.paths import is_board_path
from toolkit.common.toml_table import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEAD: Final = """# A hardware map of dredkit; docs/CI.md explains the keys.
# `dredkit boards --map FILE` verifies every board in it.
"""


@dataclass(frozen=True)
class MappedBoard:
    """One board of a map.

    `id` is its name in reports and of its folder. `platform` is a word for --target. `runner` is a
    word for --server: without it, the firmware is on the board already. `serial` is a --port:
    without it, the board is emulated. `options` are further words for `dredkit verify`.
    """

    id: str
    platform: str
    connected: bool = True
    product: str = ""
    runner: str = ""
    probe_id: str = ""
    serial: str = ""
    notes: str = ""
    options: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """Return the words for `dredkit verify`, without those of the report."""
        found = ["--target", self.platform]
        for flag, value in (
            ("--port", self.serial), ("--server", self.runner), ("--probe", self.probe_id)
        ):  # fmt: skip
            found += [flag, value] if value and (flag != "--probe" or self.runner) else []
        return [*found, *self.options]


def read_map(path: Path) -> list[MappedBoard]:
    """Read a map; a relative path in `platform` starts at the map. Raises InputError."""
    try:
        text = file_bytes(path, "`dredkit boards --write FILE` writes a hardware map").decode()
        values: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    table = Table(str(path), "", values)
    boards = [_board(entry, path) for entry in table.tables("board")]
    table.done()
    names = [board.id for board in boards]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two boards have the id '{name}'")
    return boards


def map_text(boards: Iterable[MappedBoard]) -> str:
    """Return boards as the text of a map."""
    return _HEAD + "".join(f"\n[[board]]\n{_entry(board)}" for board in boards)


def _board(table: Table, path: Path) -> MappedBoard:
    def text(key: str) -> str:
        return table.text(key, empty=True) if key in table else ""

    name = table.text("id")
    if not _ID.fullmatch(name):
        table.refuse("id", f"'{name}': want up to 64 letters, digits, '-', '_' and '.'")
    board = MappedBoard(
        id=name,
        platform=_platform(table.text("platform"), path),
        connected=table.flag("connected") if "connected" in table else True,
        product=text("product"),
        runner=text("runner"),
        probe_id=text("probe_id"),
        serial=text("serial"),
        notes=text("notes"),
        options=table.texts("options") if "options" in table else (),
    )
    table.done()
    if board.runner and not board.serial:
        table.refuse("serial", "missing; a board that is flashed through a runner has a port")
    return board


def _platform(word: str, path: Path) -> str:
    return str(path.parent / word) if is_board_path(word) else word


def _entry(board: MappedBoard) -> str:
    lines = []
    for key, value in vars(board).items():
        if value or key == "connected":
            shown = list(value) if isinstance(value, tuple) else value
            # JSON's texts, lists and booleans are TOML's.
            lines.append(f"{key} = {json.dumps(shown, ensure_ascii=False)}\n")
    return "".join(lines)
