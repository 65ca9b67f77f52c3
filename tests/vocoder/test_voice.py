# SPDX-License-Identifier: BSD-3-Clause
"""The choice of a receiver's voice, and of the clock that it is judged by."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from quantize.errors import InputError
from quantize.nn.topologies import rdovae_encoder
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.voices import read_voice, speaker, voice_bytes, voice_name
from tests.support.fargan_models import random_layers
from tests.support.lpcnet_models import random_tensors, random_voice
from tests.support.small_models import small_weights
from toolkit.cli import group
from toolkit.commands import package, quantize
from toolkit.measure.budget import budget_of, by_kind
from toolkit.models.importers.checkpoint import write_checkpoint
from toolkit.models.quantise import Sources, for_target
from toolkit.models.voice import SHIPPED, default_voice, voice_model
from toolkit.targets.cores import Core, cores
from toolkit.targets.target import load_target


def test_a_voice_by_name_or_file(tmp_path: Path) -> None:
    assert voice_model("pulse") == "pulse"
    path = tmp_path / "mine.safetensors"
    save_file({k: v.astype(np.float32) for k, v in random_tensors(3).items()}, path)
    found = voice_model(str(path))
    assert isinstance(found, LpcnetModel)
    assert found.source["name"] == "mine.safetensors"
    assert voice_name(found) == "lpcnet"
    layers = random_layers(3)
    write_checkpoint(tmp_path / "other.safetensors", layers, "seed 3")
    other = voice_model(str(tmp_path / "other.safetensors"))
    assert voice_name(other) == "fargan"
    assert voice_bytes(read_voice(voice_bytes(other), "it")) == voice_bytes(other)
    assert voice_name(voice_model("fargan")) == "fargan"


def test_fargan_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (default_voice(), voice_name(voice_model(None))) == ("fargan", "fargan")
    monkeypatch.setitem(SHIPPED, "fargan", tmp_path / "absent")
    assert default_voice() == "lpcnet"
    monkeypatch.setitem(SHIPPED, "lpcnet", tmp_path / "absent")
    assert default_voice() == "pulse"


def test_no_such_voice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="say pulse, lpcnet, fargan or a checkpoint"):
        voice_model("tenor")
    path = tmp_path / "noise.safetensors"
    path.write_bytes(b"noise" * 100)
    with pytest.raises(InputError, match="is a text file, not a checkpoint of LPCNet or FARGAN"):
        voice_model(str(path))


@pytest.mark.parametrize("voice", ["pulse", random_voice(1)])
def test_voices_come_back_from_their_bytes(voice: LpcnetModel) -> None:
    again = read_voice(voice_bytes(voice), "here")
    assert voice_bytes(again) == voice_bytes(voice)
    context, past, known = np.zeros((4, 20), int), np.zeros(17, int), np.arange(160)
    said = []
    for model in (voice, again):
        one = speaker(model)
        one.begin(context, past)
        said.append([one.frame(context[0], known).tolist(), one.frame(context[0], None).tolist()])
    assert said[0] == said[1]
    assert said[0][0] == known.tolist()
    with pytest.raises(InputError, match="here"):
        read_voice(b"dredkit-voice-of-another", "here")


def test_another_clock_changes_the_limit_and_nothing_else() -> None:
    board = load_target("mps3-an547")
    own, asked = budget_of(board, [3276800]), budget_of(board, [3276800], 400_000_000)
    assert own.per_frame == asked.per_frame == [100_000]
    assert (own.limit, own.clock_hz) == (640_000, 32_000_000)
    assert (asked.limit, asked.clock_hz) == (8_000_000, 400_000_000)
    with pytest.raises(InputError, match="measures time itself"):
        budget_of(load_target("host"), [1], 400_000_000)


def test_costs_are_parted_by_kind() -> None:
    budget = budget_of(load_target("host"), [5, 1, 7, 2])
    parts = by_kind(budget, ["speak", "hear", "speak", "hear"])
    assert list(parts) == ["speak", "hear"]
    assert [part.per_frame for part in parts.values()] == [[5, 7], [1, 2]]
    assert parts["speak"].limit == budget.limit


def test_a_targets_voice_is_that_of_the_release_that_has_it(tmp_path: Path) -> None:
    release, other = tmp_path / "release.safetensors", tmp_path / "other.safetensors"
    write_checkpoint(release, random_layers(3), "seed 3")
    write_checkpoint(other, small_weights(rdovae_encoder(), 3), "seed 3")
    speaks, does_not = load_target("mps3-an547"), load_target("mps2-an500")
    assert (speaks.release_voice, does_not.release_voice) == ("fargan", "")
    assert for_target(Sources(release), speaks).voice == str(release)
    assert for_target(Sources(other, decoder=release), speaks).voice == str(release)
    assert for_target(Sources(release), does_not).voice is None
    assert for_target(Sources(release, voice="pulse"), speaks).voice == "pulse"
    assert for_target(Sources(other), speaks).voice is None
    assert for_target(Sources(release), None).voice is None


def test_a_packages_voice_is_that_of_the_board_that_measures_its_core() -> None:
    speaking = {name for name, core in cores().items() if _release_voice(core) == "fargan"}
    assert speaking == {"cortex-m55", "cortex-a7", "cortex-a53", "cortex-a76"}


def _release_voice(core: Core) -> str:
    board = core.measuring_board()
    return "" if board is None else board.release_voice


@pytest.mark.parametrize(
    ("command", "words", "function"),
    [
        (package, ["package", "--target-core", "cortex-m55", "--output", "made"], "_models"),
        (quantize, ["quantize", "--target", "mps3-an547", "--stage", "decoder"], "quantise_stage"),
    ],
)
def test_commands_that_know_a_target_take_its_voice(
    command: Any, words: list[str], function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "release.safetensors"
    write_checkpoint(release, random_layers(3), "seed 3")

    def told(first: object, second: object, *_: object) -> None:
        (sources,) = (part for part in (first, second) if isinstance(part, Sources))
        raise InputError(f"the voice is {sources.voice}")

    monkeypatch.setattr(command, function, told)
    run = CliRunner().invoke(group, [*words, "--weights", str(release)], standalone_mode=False)
    assert str(run.exception) == f"the voice is {release}"
