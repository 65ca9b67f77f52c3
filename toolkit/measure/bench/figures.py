# SPDX-License-Identifier: BSD-3-Clause
"""The committed figures of `dredkit bench`, one file a target and run, and a check for growth.

They count instructions with the shipped weights and clip, some with an Opus release's weights, so
they are the same on every machine. `dredkit bench --all` compares them, `--write` writes new ones.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantize.files.write import write_whole
from toolkit.common.errors import CheckFailed, InputError
from toolkit.common.paths import BUILD, ships
from toolkit.common.places import latest_path
from toolkit.targets.target import TARGETS, Target, load_target, target_names

FOLDER = TARGETS / "figures"
TOLERANCE = 0.02  # by how much a figure may grow over a committed one
STEPS = 25  # packets of 20 ms in a receiver's figures
SENDER_STEPS = 50  # a second of a sender that has settled
VOICES = {f"decoder-{voice}": voice for voice in ("pulse", "lpcnet", "fargan")}
KERNELS = "kernels"  # single products: toolkit/measure/bench/kernels.py
OPUS = "opus-"  # prefix of runs with the weights of an Opus release, which do not ship
_OF_A_RELEASE = ("encoder", "decoder-pulse", "decoder-fargan")
RUNS = (KERNELS, "encoder", *VOICES, *(f"{OPUS}{run}" for run in _OF_A_RELEASE))
# The figures that a report keeps.
_SHOWN = ("target", "stage", "unit", "steps", "parts", "layers")
# Boards too small for a run.
_TOO_SMALL = {("netduinoplus2", run) for run in ("decoder-lpcnet", f"{OPUS}decoder-fargan")}


@dataclass(frozen=True)
class Figure:
    """The target and run of one file of figures."""

    target: str
    run: str

    @property
    def path(self) -> Path:
        """The file's path in the repository."""
        return FOLDER / f"{self.target}.{self.run}.json"

    @property
    def steps(self) -> int:
        """The number of steps of 20 ms that are measured."""
        return SENDER_STEPS if self.run.endswith("encoder") else STEPS

    def read(self) -> dict[str, Any]:
        """Read the committed figures; InputError if there are none."""
        return read_figures(self.path)

    def write(self, facts: Mapping[str, Any]) -> None:
        """Write these figures in place of the committed ones."""
        FOLDER.mkdir(exist_ok=True)
        write_whole(self.path, _compact(facts).encode())


def _compact(facts: Mapping[str, Any]) -> str:
    """Return JSON with one line for each part and layer."""
    members = []
    for key, value in facts.items():
        text = json.dumps(value)
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f"  {json.dumps(item)}" for item in value) + "\n ]"
        members.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}\n"


def figures(target: str | None = None) -> Iterator[Figure]:
    """Return every figure that is kept, of all emulated boards or of one target."""
    for board in map(load_target, target_names() if target is None else [target]):
        if _counts(board):
            runs = (run for run in RUNS if (board.name, run) not in _TOO_SMALL)
            yield from (Figure(board.name, run) for run in runs)


def _counts(target: Target) -> bool:
    """Return whether figures of a board are kept: it ships, and the set-up's QEMU has it."""
    emulator = target.emulator
    return ships(target.path) and emulator is not None and not emulator.since


def read_figures(path: Path) -> dict[str, Any]:
    """Read what `dredkit bench --json` wrote; InputError for anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: holds no figures of `dredkit bench --json`: {error}") from None
    if not isinstance(found, dict) or not {"step", "parts", "layers"} <= found.keys():
        raise InputError(f"{path}: holds no figures of `dredkit bench --json`")
    return found


def known_figures(
    target: Target, stage: str, model_hash: str, build_root: Path = BUILD
) -> dict[str, Any] | None:
    """Return the last measured or the committed figures of this model on this target, or None."""
    places = [latest_path(build_root, target.folder, stage)]
    if ships(target.path):
        places += sorted(FOLDER.glob(f"{target.name}.*.json"))
    for path in places:
        try:
            found = read_figures(path)
        except InputError:
            continue
        fits = (found.get("stage"), found.get("model_hash")) == (stage, model_hash)
        if fits and found.keys() >= set(_SHOWN):
            return {key: found[key] for key in _SHOWN}
    return None


def check_against(
    found: Mapping[str, Any], committed: Mapping[str, Any], tolerance: float = TOLERANCE
) -> None:
    """Raise CheckFailed if the step or a part costs more than the committed figures say.

    Both are as `Bench.as_json` returns them; `tolerance` is the share by which a cost may
    be higher. Raises InputError if they measure different things.
    """
    for key in ("target", "stage", "unit", "steps"):
        if found[key] != committed.get(key):
            raise InputError(
                f"the committed figures are for {key} {committed.get(key)}, these for {found[key]}"
            )
    before = {"step": committed["step"]["mean"]}
    before |= {part["name"]: part["mean"] for part in committed["parts"]}
    now = {"step": found["step"]["mean"]} | {p["name"]: p["mean"] for p in found["parts"]}
    # Parts come first: they say more than the whole.
    for name, cost in reversed(now.items()):
        if name not in before or cost > before[name] * (1 + tolerance):
            raise CheckFailed(
                f"{found['target']} {found['stage']}: {name} costs {cost:,.0f} {found['unit']}, "
                f"committed is {before.get(name, 0):,.0f}{_grown(name, found, committed)}; find "
                "out why, or commit the new figures (`dredkit bench --all --write`)"
            )


def _grown(part: str, found: Mapping[str, Any], committed: Mapping[str, Any]) -> str:
    """Name the layers of a part that have grown beyond the tolerance, the largest growth first."""
    before = {(layer["part"], layer["name"]): layer["mean"] for layer in committed["layers"]}
    grown = [
        (layer["mean"] - before.get((part, layer["name"]), 0.0), layer["name"])
        for layer in found["layers"]
        if layer["part"] == part
        and layer["mean"] > before.get((part, layer["name"]), 0.0) * (1 + TOLERANCE)
    ]
    told = ", ".join(f"{name} +{more:,.0f}" for more, name in sorted(grown, reverse=True)[:3])
    return f" ({told})" if told else ""
