# SPDX-License-Identifier: BSD-3-Clause
"""pyOCD by its Python API: list probes, write an image, read it back. Nothing waits for a probe."""

import contextlib
import importlib.util
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.common.errors import BoardError, InputError
from toolkit.device.build.elf import load_sections
from toolkit.device.flash.image import pieces
from toolkit.device.flash.report import FlashReport
from toolkit.targets.target import Target

# Arguments of `pyocd gdbserver` that [flash.probes] may have -> options of a session.
_OPTIONS = {
    **dict.fromkeys(("-t", "--target"), "target_override"),
    "--pack": "pack",
    **dict.fromkeys(("-f", "--frequency"), "frequency"),
    **dict.fromkeys(("-M", "--connect"), "connect_mode"),
}


@dataclass(frozen=True)
class Probe:
    """A debug probe: its serial, its name, and the chip and the board that it says it carries."""

    serial: str
    name: str
    chip: str
    board: str


def available() -> bool:
    """Return whether pyOCD is installed as a package of this Python."""
    return importlib.util.find_spec("pyocd") is not None


def probes(serial: str | None = None) -> list[Probe]:
    """Return the probes that are connected now, all or those whose serial holds `serial`."""
    return [_described(probe) for probe in _connected(serial)]


def flash(target: Target, image: Path, serial: str | None) -> FlashReport:
    """Write an image, compare every byte, reset the board and let it run.

    Raises BoardError without exactly one probe, for a chip that pyOCD does not know, and for a
    write that fails.
    """
    from pyocd.core.exceptions import Error, TargetSupportError
    from pyocd.core.session import Session
    from pyocd.flash.file_programmer import FileProgrammer

    options = options_of(target.flash.probes.get("pyocd", ()), target.name)
    probe = _one(serial)
    start = time.monotonic()
    try:
        with Session(probe, options={"hide_programming_progress": True, **options}) as session:
            session.target.reset_and_halt()
            FileProgrammer(session).program(str(image), file_format="elf")
            for part in pieces(image):
                back = bytes(session.target.read_memory_block8(part.address, len(part.data)))
                if back != part.data:
                    raise BoardError(
                        f"{image.name}: the bytes at 0x{part.address:08x} read back differently"
                    )
            session.target.reset()
    except TargetSupportError as error:
        raise _unknown_chip(options.get("target_override", target.name), error) from None
    except (Error, OSError, ValueError) as error:
        raise BoardError(f"pyocd: {_line(error)}") from None
    sections = {name: size for name, (_, size) in load_sections(image).items()}
    return FlashReport(sections, sum(sections.values()), time.monotonic() - start)


def check_probe(serial: str | None) -> None:
    """Raise BoardError without exactly one probe (whose serial holds `serial`)."""
    _one(serial)


def attach(serial: str | None, options: dict[str, Any]) -> tuple[Any, Callable[[], None]]:
    """Connect to a board that runs, and let it run; return its memory and what disconnects.

    The memory has pyOCD's methods. Raises BoardError without exactly one probe and for a chip that
    pyOCD does not know.
    """
    from pyocd.core.exceptions import Error, TargetSupportError
    from pyocd.core.session import Session

    session = Session(_one(serial), options={**options, "connect_mode": "attach"})
    try:
        session.open()
    except TargetSupportError as error:
        raise _unknown_chip(options.get("target_override", ""), error) from None
    except (Error, OSError, ValueError) as error:
        raise BoardError(f"pyocd: {_line(error)}") from None

    def done() -> None:
        with contextlib.suppress(Error, OSError):
            session.close()

    return session.target, done


def options_of(words: Sequence[str], name: str) -> dict[str, Any]:
    """Return the session options that command-line arguments stand for; InputError for others."""
    found: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        key, equals, value = word.partition("=")
        if key in _OPTIONS:
            found[_OPTIONS[key]] = value if equals else next(rest, "")
        elif word == "-O":
            option, _, setting = next(rest, "").partition("=")
            found[option] = setting
        else:
            raise InputError(f"{name}: [flash.probes] pyocd: '{word}' is no option for pyOCD's API")
    if "frequency" in found:
        found["frequency"] = int(float(found["frequency"]))
    return found


def _connected(serial: str | None) -> list[Any]:
    """Ask pyOCD for probes; its complaints about USB backends are not for the user."""
    from pyocd.core.exceptions import Error
    from pyocd.core.helpers import ConnectHelper

    logging.getLogger("pyocd").setLevel(logging.CRITICAL)
    try:
        return list(ConnectHelper.get_all_connected_probes(blocking=False, unique_id=serial))
    except (Error, OSError, ValueError) as error:
        raise BoardError(f"pyocd cannot look for probes: {_line(error)}") from None


def _one(serial: str | None) -> Any:
    found = _connected(serial)
    if not found:
        named = "" if serial is None else f" {serial}"
        raise BoardError(f"pyocd finds no debug probe{named}: connect the board, then try again")
    if len(found) > 1:
        names = ", ".join(probe.unique_id for probe in found)
        raise BoardError(f"pyocd finds {len(found)} probes: say --probe with one of {names}")
    return found[0]


def _described(probe: Any) -> Probe:
    from pyocd.core.exceptions import Error

    try:
        info = probe.associated_board_info
    except Error:
        info = None
    chip, board = (info.target, info.name) if info else ("", "")
    return Probe(probe.unique_id, probe.description, chip or "", board or "")


def _unknown_chip(chip: str, error: Exception) -> BoardError:
    return BoardError(
        f"pyocd knows no chip '{chip}': `pyocd pack install {chip}` gets its pack ({error})"
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
