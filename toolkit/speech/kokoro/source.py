# SPDX-License-Identifier: BSD-3-Clause
"""The source `kokoro` of training speech: clips of every voice on disk, and the arrays of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from quantize.features.floats import SAMPLE_RATE
from quantize.files.array_file import map_array
from quantize.files.write import open_whole, write_whole
from toolkit.common.errors import ToolError
from toolkit.speech import recordings as speechdata
from toolkit.speech.kokoro.model import CATALOGUE, Kokoro

I16 = NDArray[np.int16]

NAME = "kokoro"
MINUTES = 3.0  # of each voice, unless asked otherwise


class Speaker(Protocol):
    """What speaks: Kokoro, or a stand-in of the tests."""

    voices: list[str]

    def clip(self, voice: str, number: int) -> I16:
        """Return clip `number` of `voice`: int16, 16 kHz; empty where it said nothing."""


def described() -> dict[str, Any]:
    """Return what the row of a recorded source says of itself: names, licence, whom to credit."""
    return {
        "name": NAME,
        "package": ", ".join(row["package"] for row in CATALOGUE["downloads"].values()),
        "speaker": "54 synthetic voices",
        "held_out": CATALOGUE["test"],
        "licence": CATALOGUE["licence"],
        "attribution": CATALOGUE["attribution"],
        "use": "train",
    }


def speak(
    speaker: Speaker, folder: Path, minutes: float, step: Callable[[float, float], None]
) -> dict[str, list[Path]]:
    """Store clips under `folder` until each voice has `minutes`; return each voice's files.

    Voices take turns, so that a run that is cut short has something of each. `step` hears how
    many minutes of how many are there. Raises ToolError where a voice says nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Path]] = {voice: [] for voice in speaker.voices}
    spoken = dict.fromkeys(files, 0.0)
    number = 0
    while short := [voice for voice in files if spoken[voice] < minutes]:
        for voice in short:
            path = folder / f"{voice}_{number:04d}.npy"
            if not path.is_file():
                clip = speaker.clip(voice, number)
                if not len(clip):
                    raise ToolError(f"Kokoro's voice {voice} is silent in clip {number}")
                with open_whole(path) as stream:
                    np.save(stream, clip)
            files[voice].append(path)
            spoken[voice] += len(_clip(path)) / SAMPLE_RATE / 60
            step(sum(min(m, minutes) for m in spoken.values()), minutes * len(files))
        number += 1
    return files


def _clip(path: Path) -> I16:
    return map_array(path, np.int16, (None,), "delete it and run the command again")


def prepare(
    data: Path,
    minutes: float,
    note: Callable[[str], None],
    step: Callable[[float, float], None],
    speaker: Speaker | None = None,
) -> dict[str, float]:
    """Make the arrays of this source under `data`; return the minutes of each part.

    `minutes` are of each voice. `note` hears of each step, `step` see speak.
    """
    folder = data / NAME
    files = speak(speaker or Kokoro(data, note), folder / "clips", minutes, step)
    held = CATALOGUE["test"]
    done = folder / "clips.json"
    made_of = json.dumps({voice: [p.name for p in paths] for voice, paths in files.items()})
    if not done.is_file() or done.read_text() != made_of:
        done.unlink(missing_ok=True)
        clips = {voice: [_clip(path) for path in paths] for voice, paths in files.items()}
        test = [c for voice in files if voice in held for c in clips[voice]]
        train = [c for voice in files if voice not in held for c in clips[voice]]
        speechdata.store(folder, test, train, lambda text: note(f"{NAME}: {text}"))
        write_whole(done, made_of.encode())
    return speechdata.lengths(folder, speechdata.parts("train"))
