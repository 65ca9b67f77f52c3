# SPDX-License-Identifier: BSD-3-Clause
"""A verification on disk: verify.json and run.npz, from which its page can be made again.

verify.json carries the SHA-256 of run.npz, so that files of two runs are never mixed.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantize.codec.receiver import STEP
from quantize.files.array_file import read_arrays
from quantize.files.write import write_whole
from toolkit.common.errors import InputError
from toolkit.common.places import FACTS, RUN
from toolkit.measure.bench.figures import known_figures
from toolkit.report.joins import joins
from toolkit.report.schema import SCHEMA, require
from toolkit.speech.audio import read_speech
from toolkit.targets.target import Target

if TYPE_CHECKING:
    from toolkit.verify.verify import Verification

FORMAT = "dredkit-verification-1"
CALL_FORMAT = "dredkit-call-1"  # of `verify --stage call`, whose page needs what only it knows
RATE = 16000  # samples a second of the recording that the network gets

Int16s = npt.NDArray[np.int16]
_LAYER = ("name", "op", "inputs", "outputs", "weights")
_COST = ("times", "macs", "dense_macs", "flash_bytes")
_OUTPUT = "output_"  # before a buffer's name in run.npz
_PLAYED = "played"
_WITHOUT = "without"


@dataclass(frozen=True)
class Record:
    """What a page is made from.

    `facts` is verify.json (see schema.py), `pcm` [samples] the recording at 16 kHz, `inputs`
    [steps, n] the streamed inputs, `outputs` the board's answers by buffer, [steps, size] each,
    `played` [samples] what the board played at 16 kHz, if it speaks, and `without` [samples] what
    it would have played without payloads, if that is known.
    """

    facts: dict[str, Any]
    pcm: Int16s
    inputs: Int16s
    outputs: dict[str, Int16s]
    played: Int16s | None = None
    without: Int16s | None = None

    @property
    def sent(self) -> Int16s:
        """The recording with the base codec's delay: what should have been played."""
        playback = self.facts["playback"]
        return in_time(self.pcm, playback["delay"], 0 if self.played is None else len(self.played))


def in_time(pcm: Int16s, delay: int, samples: int) -> Int16s:
    """Return the first `samples` of a recording delayed by `delay`, with zeros after its end."""
    late = np.concatenate([np.zeros(delay, np.int16), pcm, np.zeros(samples, np.int16)])
    return late[:samples]


def save_record(
    verification: "Verification", directory: Path, more: Mapping[str, Any] | None = None
) -> Record:
    """Write the record of a verification into a folder and return it; `more` are further facts.

    Raises InputError if the recording cannot be read again or a file cannot be written.
    """
    pcm = read_speech(verification.audio, RATE)
    inputs = verification.inputs.astype(np.int16)
    outputs = {name: values.astype(np.int16) for name, values in verification.outputs.items()}
    buffer = io.BytesIO()
    named: dict[str, Any] = {_OUTPUT + name: values for name, values in outputs.items()}
    playback = verification.playback
    played = None if playback is None else playback.pcm.astype(np.int16)
    if played is not None:
        named[_PLAYED] = played
    if verification.without is not None:
        named[_WITHOUT] = verification.without
    np.savez_compressed(buffer, pcm=pcm, inputs=inputs, **named)
    run = buffer.getvalue()
    facts = {**facts_of(verification, pcm), **(more or {})}
    facts["run"] = {"file": RUN, "sha256": hashlib.sha256(run).hexdigest()}
    text = json.dumps(facts, indent=2, allow_nan=False) + "\n"
    write_whole(directory / RUN, run)
    write_whole(directory / FACTS, text.encode())
    return Record(facts, pcm, inputs, outputs, played, verification.without)


def load_record(directory: Path) -> Record:
    """Read a record.

    Raises InputError, one line, if a file is missing, damaged or from another run.
    """
    path = directory / FACTS
    try:
        facts = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{directory}: no {FACTS} here; run `dredkit verify` first") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged: not JSON; run `dredkit verify` again") from error
    if isinstance(facts, dict) and facts.get("status") == "error":
        why = facts.get("error")
        raise InputError(f"{directory}: the last run ended without a verdict: {why}; verify again")
    if isinstance(facts, dict) and facts.get("format") == CALL_FORMAT:
        raise InputError(f"{path}: of a call: only `dredkit verify --stage call` makes its page")
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise InputError(f"{path}: not a {FORMAT} file; run `dredkit verify` again")
    require(facts, SCHEMA, str(path))
    return _with_run(facts, directory / RUN)


def _with_run(facts: dict[str, Any], path: Path) -> Record:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != facts["run"]["sha256"]:
        raise InputError(
            f"{path}: damaged, or from another run than {FACTS}; run `dredkit verify` again"
        )
    try:
        arrays = read_arrays(data)
        played = arrays.pop(_PLAYED, None)
        without = arrays.pop(_WITHOUT, None)
        record = Record(
            facts,
            arrays.pop("pcm"),
            arrays.pop("inputs"),
            {name.removeprefix(_OUTPUT): values for name, values in arrays.items()},
            played,
            without,
        )
    except (InputError, KeyError) as error:
        raise InputError(f"{path}: damaged ({error}); run `dredkit verify` again") from error
    _check_shapes(record, path)
    return record


def _check_shapes(record: Record, path: Path) -> None:
    facts = record.facts
    steps = facts["frames"]
    tables = {"inputs": record.inputs, **record.outputs}
    wrong = [
        name
        for name, values in tables.items()
        if values.dtype != np.int16 or values.ndim != 2 or len(values) != steps
    ]
    wrong += [name for name in record.outputs if name not in facts["model"]["outputs"]]
    if record.pcm.dtype != np.int16 or record.pcm.shape != (facts["recording"]["samples"],):
        wrong.append("pcm")
    if facts["recording"]["rate"] != RATE:
        wrong.append("rate")
    if not _plays_as_told(record):
        wrong.append(_PLAYED)
    if record.without is not None and (
        record.without.dtype != np.int16 or record.without.ndim != 1 or record.played is None
    ):
        wrong.append(_WITHOUT)
    if wrong:
        raise InputError(f"{path}: damaged: {wrong[0]} does not fit {FACTS}; verify again")
    told = {
        "budget": len(facts["budget"]["per_frame"]) == steps,
        "mismatches": facts["mismatches"]
        == sum(c["mismatches"] for c in facts["comparisons"].values()),
    }
    for key, agrees in told.items():
        if not agrees:
            where = path.with_name(FACTS)
            raise InputError(f"{where}: damaged: {key} does not add up; run `dredkit verify` again")


def _plays_as_told(record: Record) -> bool:
    told, played = record.facts["playback"], record.played
    if told is None or played is None:
        return told is None and played is None
    count = len(played) // STEP
    return (
        played.dtype == np.int16
        and played.shape == (count * STEP,)
        and len(told["kinds"]) == len(told["slots"]) == record.facts["frames"]
        and max(told["slots"]) < max(count, 1)
        and all(len(gap) == 2 and gap[0] + gap[1] <= count for gap in told["gaps"])
    )


def _playback(verification: "Verification") -> dict[str, Any] | None:
    found = verification.playback
    if found is None:
        return None
    return {
        "kinds": found.kinds,
        "slots": found.slots,
        "gaps": [list(gap) for gap in found.gaps],
        "delay": found.delay,
        "joins": [join.as_json() for join in joins(found.pcm, found.gaps)],
    }


def facts_of(verification: "Verification", pcm: Int16s) -> dict[str, Any]:
    """Return the public JSON of a verification, with the page's facts on model and board."""
    manifest, build = verification.manifest, verification.build
    return {
        "format": FORMAT,
        "dredkit": _version(),
        "recorded": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **verification.as_json(),
        "sections": build.sections if build else {},
        "recording": {
            "sha256": hashlib.sha256(verification.audio.read_bytes()).hexdigest(),
            "samples": len(pcm),
            "rate": RATE,
        },
        "model": {
            **{k: manifest[k] for k in ("macs", "table_bytes", "arena_bytes", "state_bytes")},
            "frac": verification.stage.frac,
            "outputs": {n: verification.stage.frac.get(n, 0) for n in verification.outputs},
            "trace_values": manifest["trace_bytes"] // 2,
            "layers": [{key: layer[key] for key in _LAYER + _COST} for layer in manifest["layers"]],
        },
        "board": _board(verification.target),
        "playback": _playback(verification),
        "redundancy": redundancy(verification),
        "history": [],
        "score": None,
        "bench": known_figures(
            verification.target, verification.stage.name, verification.stage.hash
        ),
    }


def redundancy(verification: "Verification") -> dict[str, Any] | None:
    """Return bytes and rate of the payloads that were made or received; None if there are none."""
    played = verification.playback
    if played is None:
        lengths = verification.outputs.get("payload_length")
        count = None if lengths is None else [int(value) for value in lengths[:, 0]]
        frames = len(verification.inputs)
    else:
        # A receiver's op: kind and most in the first 16 bits, the payload's length in the next.
        took = [kind == "payload" for kind in played.kinds]
        count = [int(value) for value in verification.inputs[took, 1]]
        frames = len(played.pcm) // STEP
    if count is None or not frames:
        return None
    seconds = frames * STEP / RATE
    return {
        "bytes": sum(count),
        "payloads": sum(value > 0 for value in count),
        "kbps": round(8 * sum(count) / seconds / 1000, 3),
        "most_bytes": max(count, default=0),
    }


def _board(target: Target) -> dict[str, Any]:
    emulator, tools = target.emulator, target.toolchain
    return {
        "description": target.description,
        "core": target.core,
        "isa": target.isa,
        "clock_hz": target.clock_hz,
        "clock_source": target.clock_source,
        "verified_on": list(target.verified_on),
        "compiler": " ".join([f"{tools.prefix}gcc", *tools.cpu_flags, *tools.optimise]),
        "emulator": emulator
        and f"{emulator.program} -M {emulator.machine} -icount shift={emulator.icount_shift}",
    }


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dredkit")
    except PackageNotFoundError:
        return "from a checkout"
