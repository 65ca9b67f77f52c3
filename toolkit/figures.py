# SPDX-License-Identifier: BSD-3-Clause
"""The committed figures of `dredkit bench`, one file a target and run, and whether one has grown.

They are of the shipped weights and clip, and of instructions, so that they come out the same
everywhere: `dredkit bench --all` compares them, `--write` makes them anew.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from quantize.decoder import DecoderModel
from quantize.dred.redundancy import DecoderNetworks
from quantize.encoder import EncoderModel
from quantize.files import write_whole
from toolkit.errors import CheckFailed, InputError
from toolkit.importers import SHIPPED
from toolkit.stage import Stage, stage_of
from toolkit.steps import Sources, quantise_decoder, quantise_encoder
from toolkit.targets import TARGETS, Target, load_target, target_names
from toolkit.voice import voice_model

FOLDER = TARGETS / "figures"
TOLERANCE = 0.02  # by how much a figure may grow over a committed one
STEPS = 25  # of 20 ms
_VOICES = {"decoder-pulse": "pulse", "decoder-lpcnet": "lpcnet"}
RUNS = ("encoder", *_VOICES)
# Boards too small for a run.
_TOO_SMALL = {("netduinoplus2", "decoder-lpcnet")}


@dataclass(frozen=True)
class Figure:
    """What one file has the figures of."""

    target: str
    run: str

    @property
    def path(self) -> Path:
        """Its place in the repository."""
        return FOLDER / f"{self.target}.{self.run}.json"

    def read(self) -> dict[str, Any]:
        """The committed figures; InputError where there are none."""
        return read_figures(self.path)

    def write(self, facts: Mapping[str, Any]) -> None:
        """Commit these instead."""
        FOLDER.mkdir(exist_ok=True)
        write_whole(self.path, _compact(facts).encode())


def _compact(facts: Mapping[str, Any]) -> str:
    """JSON with a line for each part and layer."""
    members = []
    for key, value in facts.items():
        text = json.dumps(value)
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f"  {json.dumps(item)}" for item in value) + "\n ]"
        members.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}\n"


class Shipped:
    """The stages of the shipped weights, each made when it is first asked for."""

    @cached_property
    def _sender(self) -> EncoderModel:
        return quantise_encoder(Sources(SHIPPED))[0]

    @cached_property
    def _networks(self) -> DecoderNetworks:
        sources = Sources(SHIPPED, voice=_VOICES["decoder-pulse"])
        return quantise_decoder(sources, self._sender)[0].networks

    def stage(self, run: str) -> Stage:
        """The stage of a run."""
        if run == "encoder":
            return stage_of(self._sender)
        model = DecoderModel(self._networks, voice_model(_VOICES[run]))
        return stage_of(model, sender=self._sender)


def figures(target: str | None = None) -> Iterator[Figure]:
    """All that are kept, or those of one target: of every board that is emulated."""
    for name in target_names() if target is None else [load_target(target).name]:
        if _counts(load_target(name)):
            yield from (Figure(name, run) for run in RUNS if (name, run) not in _TOO_SMALL)


def _counts(target: Target) -> bool:
    return target.is_board and target.emulator is not None


def read_figures(path: Path) -> dict[str, Any]:
    """Read what `dredkit bench --json` wrote; InputError for anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no figures of `dredkit bench --json`: {error}") from None
    if not isinstance(found, dict) or not {"step", "parts", "layers"} <= found.keys():
        raise InputError(f"{path}: no figures of `dredkit bench --json`")
    return found


def check_against(found: Mapping[str, Any], committed: Mapping[str, Any]) -> None:
    """CheckFailed where the step or a part costs over 2 % more than committed figures say.

    Both as `Bench.as_json` gives them. InputError if they are not of the same thing.
    """
    for key in ("target", "stage", "unit", "steps"):
        if found[key] != committed.get(key):
            raise InputError(
                f"the committed figures are for {key} {committed.get(key)}, these for {found[key]}"
            )
    before = {"step": committed["step"]["mean"]}
    before |= {part["name"]: part["mean"] for part in committed["parts"]}
    now = {"step": found["step"]["mean"]} | {p["name"]: p["mean"] for p in found["parts"]}
    # A part says more than the whole.
    for name, cost in reversed(now.items()):
        if name not in before or cost > before[name] * (1 + TOLERANCE):
            raise CheckFailed(
                f"{found['target']} {found['stage']}: {name} costs {cost:,.0f} {found['unit']}, "
                f"committed is {before.get(name, 0):,.0f}{_dearer(name, found, committed)}; find "
                "out why, or commit the new figures (`dredkit bench --all --write`)"
            )


def _dearer(part: str, found: Mapping[str, Any], committed: Mapping[str, Any]) -> str:
    """The layers of a part that have grown by more than all may, the most first."""
    before = {(layer["part"], layer["name"]): layer["mean"] for layer in committed["layers"]}
    grown = [
        (layer["mean"] - before.get((part, layer["name"]), 0.0), layer["name"])
        for layer in found["layers"]
        if layer["part"] == part
        and layer["mean"] > before.get((part, layer["name"]), 0.0) * (1 + TOLERANCE)
    ]
    told = ", ".join(f"{name} +{more:,.0f}" for more, name in sorted(grown, reverse=True)[:3])
    return f" ({told})" if told else ""
