# SPDX-License-Identifier: BSD-3-Clause
"""Which files tell the result of a command, so that none outlives the run that it is of.

This module imports little: old results are removed before the command's own modules are imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from toolkit.common.paths import BUILD, board_file, board_folder

FACTS = "verify.json"  # files of a report's folder: see toolkit/report/__init__.py
RUN = "run.npz"
JUNIT = "junit.xml"
PAGE = "index.html"
SENDER = "sender"  # in the folder of `demo`: the report of its first half
DEMO = BUILD / "demo"
BOARDS = BUILD / "boards"  # of `boards --map`: a folder a board, and the files of all together
BOARDS_FACTS = "boards.json"
SOAK_FACTS = "soak.json"  # of `soak`, beside its page
CALL = BUILD / "call"  # of `call`, and the files there beside the page and what was played
CALL_FACTS = "call.json"
CALL_TIMELINE = "timeline.svg"
CALL_PACKETS = "packets.bit"
CALL_LOSSES = "losses.txt"
CALL_RESULTS = "results.jsonl"  # of a table; later runs take them, so they stay
CALL_SOUNDS = "sounds"
NO_DRED_WAV, SENT_WAV = "no-dred.wav", "sent.wav"
# Of `verify --stage call`: what the board played, and if it differs what C on this machine played.
PLAYED_WAV, PLAYED_HOST_WAV = "played.wav", "played-host.wav"

Params = Mapping[str, Any]  # a command's options by name; those that could not be read are missing


@dataclass(frozen=True)
class Places:
    """Files that tell the result of a run.

    `json` and `junit` are written in every ending, `others` are removed when a run begins and when
    it ends with an error.
    """

    json: tuple[Path, ...] = ()
    junit: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()

    @property
    def every(self) -> tuple[Path, ...]:
        """All of them."""
        return (*self.json, *self.junit, *self.others)


def verify_folder(target: str) -> Path:
    """Where `verify` puts its report on a --target unless told otherwise."""
    return BUILD / board_folder(board_file(target)) / "verify"


def soak_folder(target: str) -> Path:
    """Where `soak` puts its report on a --target unless told otherwise."""
    return BUILD / board_folder(board_file(target)) / "soak"


def latest_path(build_root: Path, folder: str, stage: str) -> Path:
    """Where `bench` keeps its last figures of a stage, in the folder of a target."""
    return build_root / folder / f"bench-{stage}.json"


def judges(command: str) -> bool:
    """Whether a command gives a verdict or measures: its old results are removed first."""
    return command in _PLACES


def places_of(command: str, params: Params) -> Places:
    """Return where a command tells its result; --json is not part of it."""
    found = _PLACES.get(command, _nothing_more)(params)
    junit = params.get("junit")
    own = found.junit if junit is None else (*found.junit, Path(junit))
    return Places(found.json, own, found.others)


def read_words(words: list[str]) -> Params:
    """Read from a command line, before it can be parsed, what `places_of` needs."""
    found: dict[str, Any] = {}
    for word, after in zip_longest(words, words[1:]):
        flag, equals, value = word.partition("=")
        given = value if equals else after
        if flag in _FLAGS and given is not None:
            name = _FLAGS[flag]
            found[name] = given if name in ("target", "stage", "json_to") else Path(given)
    return found


_FLAGS = {
    "--target": "target",
    "--map": "map_file",
    "--stage": "stage",
    "--output": "output",
    "--junit": "junit",
    "--plot": "plot",
    "--json": "json_to",
}


def _nothing_more(params: Params) -> Places:
    return Places()


def _report_in(*folders: Path) -> Places:
    """Reports in `folders`, of which the first tells of errors."""
    others = tuple(folder / name for folder in folders for name in (FACTS, RUN, JUNIT, PAGE))
    return Places((folders[0] / FACTS,), (folders[0] / JUNIT,), others)


def _verify(params: Params) -> Places:
    folder = params.get("output")
    if folder is None and not _is_known(params.get("target")):
        return Places()
    folder = folder or verify_folder(params["target"])
    found = _report_in(folder)
    names = (CALL_TIMELINE, PLAYED_WAV, PLAYED_HOST_WAV, NO_DRED_WAV, SENT_WAV)
    return replace(found, others=(*found.others, *(folder / name for name in names)))


def _soak(params: Params) -> Places:
    folder = params.get("output")
    if folder is None and not _is_known(params.get("target")):
        return Places()
    folder = folder or soak_folder(params["target"])
    return Places(json=(folder / SOAK_FACTS,), others=(folder / PAGE,))


def _demo(params: Params) -> Places:
    folder = params.get("output") or DEMO
    return _report_in(folder, folder / SENDER)


def _bench(params: Params) -> Places:
    """The last figures, and the picture."""
    target, drawn = params.get("target"), params.get("plot")
    others = [] if drawn is None else [drawn]
    if target is not None and _is_known(target):
        folder = board_folder(board_file(target))
        others.append(latest_path(BUILD, folder, params.get("stage") or "encoder"))
    return Places(others=tuple(others))


def _report(params: Params) -> Places:
    """The page, and the JUnit file beside the record; none where there is no record.

    A call on a board leaves none: `report` cannot make its page.
    """
    folder = params.get("folder")
    if folder is None or not (folder / FACTS).is_file() or (folder / PLAYED_WAV).exists():
        return Places()
    junit = () if params.get("junit") else (folder / JUNIT,)
    return Places(junit=junit, others=(params.get("output") or folder / PAGE,))


def _boards(params: Params) -> Places:
    if params.get("map_file") is None:
        return Places()
    folder = params.get("output") or BOARDS
    return Places(json=(folder / BOARDS_FACTS,), junit=(folder / JUNIT,))


def _call(params: Params) -> Places:
    folder = params.get("output") or CALL
    names = (PAGE, CALL_TIMELINE, CALL_PACKETS, CALL_LOSSES, NO_DRED_WAV, SENT_WAV)
    others = (*(folder / name for name in names), *sorted(folder.glob("played-*.wav")))
    return Places(json=(folder / CALL_FACTS,), others=others)


def _is_known(target: str | None) -> bool:
    return target is not None and board_file(target).is_file()


_PLACES: dict[str, Callable[[Params], Places]] = {
    "verify": _verify,
    "boards": _boards,
    "soak": _soak,
    "demo": _demo,
    "bench": _bench,
    "report": _report,
    "call": _call,
    **dict.fromkeys(("build", "doctor", "export", "flash", "package"), _nothing_more),
    **dict.fromkeys(("explain", "monitor", "score", "simulate", "stream"), _nothing_more),
    **dict.fromkeys(("rdovae", "pitch", "lpcnet"), _nothing_more),  # of `train`
}
