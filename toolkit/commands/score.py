# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit score`: copy synthesis on held-out speech, judged by PLCMOS, DNSMOS and STOI."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import click
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from quantize.features.floats import SAMPLE_RATE
from quantize.files.write import remove_old
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import refuse_ignored
from toolkit.commands.shared.train_options import CHECKPOINTS, data_option
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.option_types import Folder, InputFile, Name
from toolkit.speech.audio import write_wav
from toolkit.verify.scoring import fargan, table
from toolkit.verify.scoring.metrics import Metrics, require
from toolkit.verify.scoring.utterances import Utterance, held_out
from toolkit.verify.scoring.voices import FARGANS, VOICES, Weights, beside, read_weights, speak

_TRAINED = ("float", "integer")
_FARGAN = CHECKPOINTS / "fargan-edge.safetensors"
_SPOKEN = "--voice float or integer"
_NEURAL = "--voice fargan-float or fargan-integer"
_OTHERS = "these voices"


def _default_weights() -> Path:
    ready = CHECKPOINTS / "lpcnet-edge.safetensors"
    return ready if ready.is_file() else CHECKPOINTS / "lpcnet-edge.state.safetensors"


@click.command("score", cls=Telling)
@data_option
@click.option(
    "--weights",
    type=InputFile(made=True),
    default=_default_weights,
    show_default="the one that ships",
    help="LPCNet: a checkpoint, or the state of its training (.pt or packed).",
)
@click.option(
    "--fargan",
    "fargan_path",
    type=InputFile(made=True),
    default=_FARGAN,
    show_default="the one that ships",
    help="FARGAN: a release's, a checkpoint, or the state of its training (.pt or packed).",
)
@click.option(
    "--voice",
    "voices",
    type=Name(list(VOICES)),
    multiple=True,
    help="Only this voice; may be repeated.",
)
@click.option("--wav", type=Folder(), help="Also write what each voice says into this folder.")
@click.option(
    "--card",
    type=InputFile(),
    help="Also put the tables into this Markdown file, between its two score marks.",
)
@json_option
def command(
    data: Path,
    weights: Path,
    fargan_path: Path,
    voices: tuple[str, ...],
    wav: Path | None,
    card: Path | None,
    json_to: str | None,
) -> None:
    """Have each voice speak held-out speech from its features, and score the result.

    30 utterances of 3 to 8 s, the same on every machine: 20 of speakers that no network here was
    trained on, 10 prompts kept from training. Needs ffmpeg and, once, 220 MB from a Debian mirror.
    """
    chosen = [name for name in VOICES if not voices or name in voices]
    trained = bool(set(chosen) & set(_TRAINED))
    neural = bool(set(chosen) & set(FARGANS))
    refuse_ignored(_SPOKEN if trained else _OTHERS, {_SPOKEN: ("weights",)})
    refuse_ignored(_NEURAL if neural else _OTHERS, {_NEURAL: ("fargan_path",)})
    require()
    torch.set_num_threads(1)
    found = read_weights(weights) if trained else None
    small = fargan.read_weights(fargan_path) if neural else None
    with err.status("speech") as status:
        utterances = held_out(data, lambda text: status.update(Text(text)))
    if wav is not None:
        for utterance, name in product(utterances, chosen):
            remove_old(_wav_file(wav, utterance, name))
    rows = {
        name: _score(name, small if name in FARGANS else found, utterances, wav) for name in chosen
    }
    groups = {u.name: u.group for u in utterances}
    result: dict[str, Any] = {
        "command": _as_typed(weights, fargan_path, voices),
        "weights": None if found is None else found.facts,
        "fargan": None if small is None else small.facts,
        "utterances": [
            {
                "name": u.name,
                "group": u.group,
                "seconds": len(u.pcm) / SAMPLE_RATE,
                "files": u.files,
            }
            for u in utterances
        ],
        "voices": {
            name: {"mean": table.means(of, groups), "utterances": of} for name, of in rows.items()
        },
    }
    err.print(table.terminal(result))
    if card is not None:
        table.write_card(card, table.markdown(result))
        err.print(f"wrote the tables into {card}", soft_wrap=True)
    emit_json(json_to, result)


def _as_typed(weights: Path, fargan_path: Path, voices: tuple[str, ...]) -> str:
    words = ["dredkit", "score"]
    if weights != _default_weights():
        words += ["--weights", weights.name]
    if fargan_path != _FARGAN:
        words += ["--fargan", fargan_path.name]
    for voice in voices:
        words += ["--voice", voice]
    return " ".join(words)


def _wav_file(folder: Path, utterance: Utterance, voice: str) -> Path:
    return folder / f"{utterance.name}-{voice}.wav"


def _score(
    voice: str,
    weights: Weights | fargan.FarganWeights | None,
    utterances: list[Utterance],
    wav: Path | None,
) -> dict[str, dict[str, float]]:
    metrics = Metrics()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        speaking = progress.add_task(f"{voice}: speaking", total=None)
        spoken = speak(
            voice,
            weights,
            utterances,
            lambda done, of: progress.update(speaking, completed=done, total=of),
        )
        judging = progress.add_task(f"{voice}: judging", total=len(utterances))
        rows = {}
        for utterance, pcm in zip(utterances, spoken, strict=True):
            rows[utterance.name] = metrics.score(*beside(voice, pcm, utterance.pcm))
            if wav is not None:
                write_wav(_wav_file(wav, utterance, voice), pcm, SAMPLE_RATE)
            progress.advance(judging)
    return rows
