# SPDX-License-Identifier: BSD-3-Clause
"""The cores that a product may have: one table each in toolkit/data/cores.toml."""

import functools
import sys
from dataclasses import dataclass, replace
from typing import Any, Final

from quantize.near import near
from toolkit.common.errors import InputError
from toolkit.common.paths import DATA
from toolkit.common.toml_table import Table
from toolkit.targets.isas import ISAS, PORTABLE
from toolkit.targets.target import TARGETS, Target, read_target

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOR_GCC: Final = ("simd32", "mve")
CORES: Final = DATA / "cores.toml"


@dataclass(frozen=True)
class Core:
    """A core: its kernels, its compiler and what the build systems call it.

    toolkit/data/cores.toml explains the fields. `name` is what `--target-core` takes.
    """

    name: str
    title: str
    isa: str
    prefix: str
    package: str
    flags: tuple[str, ...]
    optimise: tuple[str, ...]
    board: str
    cmsis: tuple[dict[str, str], ...]
    zephyr: tuple[str, ...]
    note: str

    @property
    def is_portable(self) -> bool:
        """Whether the sources are portable C, without kernels of an instruction set."""
        return self.isa == PORTABLE

    @property
    def needs_gcc(self) -> bool:
        """Whether its kernels have assembly that takes every register, which clang does not give.

        Arm Compiler 6 is a clang.
        """
        return self.isa in _FOR_GCC

    def with_portable_c(self) -> "Core":
        """Return the same core with portable C in place of its kernels, for any compiler."""
        return replace(self, isa=PORTABLE)

    def measuring_board(self) -> Target | None:
        """Return the emulated board that measures this core, or None if there is none.

        Boards that only measure are in targets/measuring/: no program of dredkit is for them.
        """
        if not self.board:
            return None
        path = TARGETS / f"{self.board}.toml"
        return read_target(path if path.is_file() else TARGETS / "measuring" / path.name)


@functools.cache
def cores() -> dict[str, Core]:
    """Return every core by name; raises InputError if the file is not as it should be."""
    values: dict[str, Any] = tomllib.loads(CORES.read_text(encoding="utf-8"))
    return {
        name: _core(name, Table(str(CORES), f"{name}.", table)) for name, table in values.items()
    }


def load_core(name: str) -> Core:
    """Return a core by name; raises InputError for an unknown one, with the known ones."""
    found = cores().get(name)
    if found is None:
        raise InputError(
            f"unknown core '{name}'; known cores: {', '.join(cores())}{near(name, list(cores()))}"
        )
    return found


def _core(name: str, table: Table) -> Core:
    accepts = table.tables("cmsis") if "cmsis" in table else []
    core = Core(
        name=name,
        title=table.text("title"),
        isa=table.choice("isa", tuple(ISAS)),
        prefix=table.text("prefix", empty=True),
        package=table.text("package"),
        flags=table.texts("flags"),
        optimise=table.texts("optimise"),
        board=table.text("board", empty=True),
        cmsis=tuple(_accepted(accept) for accept in accepts),
        zephyr=table.texts("zephyr"),
        note=table.text("note", empty=True),
    )
    table.done()
    return core


def _accepted(table: Table) -> dict[str, str]:
    found = {key: table.text(key) for key in ("Dcore", "Ddsp", "Dmve") if key in table}
    table.done()
    return found
