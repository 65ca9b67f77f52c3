# SPDX-License-Identifier: BSD-3-Clause
"""Scoring: voices speak the shipped clip; metrics are faked, or real if they are installed."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from quantize.errors import InputError
from quantize.features import floats as features
from quantize.networks import fargan as fargan_network
from quantize.networks.fargan_checkpoint import save_fargan
from quantize.networks.lpcnet import Lpcnet, Sizes
from quantize.networks.lpcnet_batch import Variant
from quantize.networks.lpcnet_checkpoint import save_lpcnet
from quantize.train.fargan import loop as fargan_training
from quantize.train.lpcnet.loop import KIND, Settings, Trainer
from quantize.train.state import save_packed, save_state
from toolkit.commands import score
from toolkit.common.errors import ToolError
from toolkit.verify.scoring import fargan, metrics, table, voices
from toolkit.verify.scoring.metrics import Metrics
from toolkit.verify.scoring.utterances import Utterance
from toolkit.verify.scoring.voices import VOICES, Weights, beside, fixed, read_weights, speak

SMALL = Sizes(conditioning=16, gru_a=32, gru_b=16, pitch=4, embedding=8)


@pytest.fixture(scope="module")
def said(clip: Path) -> list[Utterance]:
    """Return two short stretches of the shipped clip."""
    pcm = soundfile.read(clip, dtype="int16")[0]
    parts = [pcm[16000:19200], pcm[32000:34400]]
    groups = ("unseen", "prompts")
    return [
        Utterance(f"clip-{i}", group, ("clip.wav",), part, features.extract(part, delay=0))
        for i, (group, part) in enumerate(zip(groups, parts, strict=True))
    ]


@pytest.fixture(scope="module")
def network() -> Lpcnet:
    torch.manual_seed(7)
    return Lpcnet(SMALL)


def quiet(done: int, of: int) -> None:
    """Check a note of progress."""
    assert done <= of


def test_weights_are_a_checkpoint_or_a_state_packed_or_not(network: Lpcnet, tmp_path: Path) -> None:
    trainer = Trainer(SMALL, Settings())
    trainer.model.load_state_dict(network.state_dict())
    trainer.optimiser.zero_grad()
    for parameter in trainer.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    trainer.optimiser.step()
    trainer.step = 12
    save_state(tmp_path / "state.pt", KIND, trainer.state())
    save_packed(tmp_path / "packed.safetensors", KIND, trainer.state())
    variant = Variant(lookahead=2)
    save_lpcnet(tmp_path / "voice.safetensors", network, {"steps": "7"}, variant)
    read = [read_weights(tmp_path / f"{name}") for name in ("state.pt", "packed.safetensors")]
    read.append(read_weights(tmp_path / "voice.safetensors"))
    assert [weights.facts["steps"] for weights in read] == [12, 12, 7]
    assert [weights.variant for weights in read] == [Variant(), Variant(), variant]
    assert len({weights.facts["sha256"] for weights in read}) == 3
    for weights in read:
        for name, tensor in weights.model.export().items():
            assert torch.allclose(tensor, network.export()[name], atol=1e-6), name
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="or damaged"):
        read_weights(tmp_path / "bad.safetensors")
    with pytest.raises(InputError, match="no such file; train a voice or import one"):
        read_weights(tmp_path / "none.safetensors")


def test_fargan_speaks_from_a_checkpoint_or_a_state(said: list[Utterance], tmp_path: Path) -> None:
    sizes = fargan_network.Sizes(16, 16, (16, 16, 16), 16, 4, dense=16, conv=16)
    trainer = fargan_training.Trainer(sizes, fargan_training.Settings())
    for parameter in trainer.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    trainer.optimiser.step()
    trainer.step = 12
    pairs = fargan_training.PAIRS
    save_state(tmp_path / "state.pt", fargan_training.KIND, trainer.state())
    save_packed(tmp_path / "packed.safetensors", fargan_training.KIND, trainer.state(), pairs)
    save_fargan(tmp_path / "voice.safetensors", trainer.smoothed(), {"steps": "12"})
    spoken = []
    for name in ("state.pt", "packed.safetensors", "voice.safetensors"):
        weights = fargan.read_weights(tmp_path / name)
        assert weights.facts["steps"] == 12
        spoken.append(speak("fargan-float", weights, said, quiet))
    integers = speak("fargan-integer", weights, said, quiet)
    assert [len(pcm) for pcm in integers] == [len(pcm) for pcm in spoken[0]]
    assert all(len(np.unique(pcm)) > 20 for pcm in integers)
    assert [len(pcm) for pcm in spoken[0]] == [len(u.pcm) for u in said]
    for other in spoken[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(spoken[0], other, strict=True))
    ours, theirs = beside("fargan-float", spoken[0][0], said[0].pcm)
    assert len(ours) == len(theirs) == len(said[0].pcm) - 80
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="or damaged"):
        fargan.read_weights(tmp_path / "bad.safetensors")
    with pytest.raises(InputError, match="train a voice with `dredkit train fargan`"):
        fargan.read_weights(tmp_path / "none.safetensors")


@pytest.mark.parametrize("voice", ["original", "float", "integer", "pulse"])
def test_each_voice_speaks_as_long_as_it_was_told(
    network: Lpcnet, said: list[Utterance], voice: str
) -> None:
    weights = Weights(network, Variant(), {"name": "small"})
    spoken = speak(voice, weights, said, quiet)
    assert [len(pcm) for pcm in spoken] == [len(u.pcm) for u in said]
    assert all(pcm.dtype == np.int16 and len(np.unique(pcm)) > 20 for pcm in spoken)
    ours, theirs = beside(voice, spoken[0], said[0].pcm)
    assert len(ours) == len(theirs)
    assert len(ours) == len(said[0].pcm) - (0 if voice == "original" else 80)


def test_the_integer_voice_refuses_networks_that_it_cannot_speak_with(
    network: Lpcnet, said: list[Utterance]
) -> None:
    weights = Weights(network, Variant(softmax=True), {"name": "theirs"})
    with pytest.raises(InputError, match="theirs: the integer voice does not speak with it"):
        speak("integer", weights, said, quiet)


def test_what_a_device_is_told_is_int16() -> None:
    told = fixed(np.array([[1.5, -0.25, 100, -100]], np.float32))
    assert told.tolist() == [[1536, -256, 32767, -32768]]


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[np.ndarray]:
    """Replace the three packages by fakes; return the inputs of DNSMOS' network."""
    given: list[np.ndarray] = []

    class Session:
        def __init__(self, path: str, options: Any, providers: list[str]) -> None:
            assert options.intra_op_num_threads == 1

        def get_inputs(self) -> list[Any]:
            return [SimpleNamespace(name="input_1")]

        def run(self, _: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            given.append(inputs["input_1"])
            return [np.array([[3.0, 4.0, 2.0]])]

    class Plcmos:
        def __call__(self, voice: np.ndarray) -> dict[str, float]:
            return {"plcmos": 3 + np.random.normal()}

    runtime, mos, stoi = (ModuleType(n) for n in ("onnxruntime", "speechmos.plcmos", "pystoi"))
    runtime.__dict__.update(InferenceSession=Session, SessionOptions=SimpleNamespace)
    mos.__dict__.update(PLCMOS=Plcmos, __file__=str(tmp_path / "plcmos.py"))
    stoi.__dict__["stoi"] = lambda clean, voice, rate, extended: float(np.mean(clean == voice))
    monkeypatch.setitem(sys.modules, "speechmos", ModuleType("speechmos"))
    for module in (runtime, mos, stoi):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(metrics, "require", lambda packages=(): None)
    monkeypatch.setattr(score, "require", lambda: None)
    return given


def test_scores_repeat_and_leave_the_global_random_numbers_alone(fakes: list[np.ndarray]) -> None:
    judge = Metrics()
    voice = np.arange(-16000, 16000, dtype=np.int16)
    np.random.seed(5)
    expected = np.random.normal(size=2)
    np.random.seed(5)
    first = judge.score(voice, voice)
    between = np.random.normal()
    assert judge.score(voice, voice) == first
    assert [between, np.random.normal()] == expected.tolist()
    assert first["stoi"] == 1
    assert first["sig"] == pytest.approx(-0.08397278 * 9 + 1.22083953 * 3 + 0.0052439)
    assert first["ovrl"] == pytest.approx(-0.06766283 * 4 + 1.11546468 * 2 + 0.04602535)


def test_short_speech_is_repeated_and_long_speech_heard_in_windows(
    fakes: list[np.ndarray],
) -> None:
    judge = Metrics()
    for seconds, windows in ((4, 7), (8, 7), (10, 1), (12, 3)):
        fakes.clear()
        voice = np.arange(seconds * 16000).astype(np.int16)
        judge.score(voice, voice)
        assert {given.shape for given in fakes} == {(1, 144160)}
        assert len(fakes) == windows, seconds


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in metrics.PACKAGES),
    reason="needs the extra `score`",
)
def test_the_real_metrics_like_the_clip_better_than_noise(clip: Path) -> None:
    pcm = soundfile.read(clip, dtype="int16")[0]
    rng = np.random.default_rng(1)
    noisy = np.clip(pcm + rng.normal(0, 1500, len(pcm)), -32768, 32767).astype(np.int16)
    judge = Metrics()
    clean, worse = judge.score(pcm, pcm), judge.score(noisy, pcm)
    assert clean["plcmos"] > 4
    assert clean["stoi"] == pytest.approx(1)
    assert all(worse[name] < clean[name] for name in metrics.METRICS)


def test_missing_packages_are_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"scoring needs speechmos, .* -m pip install speechmos "):
        metrics.require()


def run(monkeypatch: pytest.MonkeyPatch, said: list[Utterance], *arguments: str) -> dict[str, Any]:
    monkeypatch.setattr(score, "held_out", lambda data, note: said)
    done = CliRunner().invoke(score.command, [*arguments, "--json", "-"], catch_exceptions=False)
    assert done.exit_code == 0
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_command_scores_voices_and_fills_the_card(
    fakes: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    network: Lpcnet,
    said: list[Utterance],
    tmp_path: Path,
) -> None:
    save_lpcnet(tmp_path / "voice.safetensors", network, {"steps": "12345"})
    card = tmp_path / "card.md"
    card.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    arguments = ("--weights", str(tmp_path / "voice.safetensors"), "--wav", str(tmp_path / "wav"))
    arguments += ("--card", str(card), "--voice", "float", "--voice", "original")
    result = run(monkeypatch, said, *arguments)
    assert list(result["voices"]) == ["original", "float"]
    assert result["weights"]["steps"] == 12345
    rows = result["voices"]["original"]
    assert rows["mean"]["unseen"] == rows["utterances"]["clip-0"]
    assert rows["mean"]["prompts"]["stoi"] == 1
    text = card.read_text()
    assert text.startswith(f"before\n{table.BEGIN}\nMade by `dredkit score --weights voice.saf")
    assert text.endswith(f"{table.END}\nafter\n")
    assert "old" not in text
    assert "12,345 steps" in text
    assert f"| float: {VOICES['float']} |" in text
    wanted = result["voices"]["float"]["utterances"]["clip-1"]["plcmos"]
    original = rows["utterances"]["clip-1"]["plcmos"]
    assert f"| clip-1 | 0.1 | {original:.2f} | {wanted:.2f} |" in text.replace("0.2", "0.1")
    assert len(list((tmp_path / "wav").glob("clip-*-float.wav"))) == 2


def test_the_card_names_the_weights_of_each_network(
    fakes: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    network: Lpcnet,
    said: list[Utterance],
    tmp_path: Path,
) -> None:
    sizes = fargan_network.Sizes(16, 16, (16, 16, 16), 16, 4, dense=16, conv=16)
    save_fargan(tmp_path / "f.safetensors", fargan_network.Fargan(sizes), {"steps": "3456"})
    arguments = ["--fargan", str(tmp_path / "f.safetensors"), "--voice", "fargan-float"]
    result = run(monkeypatch, said, *arguments)
    assert result["weights"] is None
    assert result["fargan"]["steps"] == 3456
    text = table.markdown(result)
    made = "Made by `dredkit score --fargan f.safetensors --voice fargan-float` from f."
    assert text.startswith(made)
    assert "3,456 steps" in text
    save_lpcnet(tmp_path / "l.safetensors", network, {})
    more = ["--voice", "float", "--weights", str(tmp_path / "l.safetensors")]
    both = table.markdown(run(monkeypatch, said, *arguments, *more))
    assert " from l.safetensors, SHA-256 " in both
    assert " and f.safetensors, 3,456 steps, SHA-256 " in both


def test_originals_alone_need_no_weights(
    fakes: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, said: list[Utterance]
) -> None:
    result = run(monkeypatch, said[:1], "--voice", "original")
    assert result["weights"] is None
    assert "prompts" not in result["voices"]["original"]["mean"]
    assert "prompts" not in table.markdown(result)


def test_a_card_without_marks_is_left_alone(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    with pytest.raises(InputError, match="no such card"):
        table.write_card(card, "x")
    card.write_text(f"{table.END} {table.BEGIN}")
    with pytest.raises(InputError, match="where the scores belong"):
        table.write_card(card, "x")
    assert card.read_text() == f"{table.END} {table.BEGIN}"


def test_the_float_voice_draws_by_the_rule_of_the_integer_one(
    network: Lpcnet, said: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Variant] = []

    def many(
        model: Lpcnet, told: list[np.ndarray], variant: Variant, note: object
    ) -> list[np.ndarray]:
        heard.append(variant)
        return [u.pcm for u in said]

    monkeypatch.setattr(voices, "synthesise_many", many)
    speak("float", Weights(network, Variant(lookahead=2), {}), said, quiet)
    rule = {"sharpness": voices.SHARPNESS, "tail": voices.TAIL / 32768}
    assert heard == [replace(Variant(lookahead=2), **rule)]


def test_no_old_recording_outlives_a_failed_run(
    monkeypatch: pytest.MonkeyPatch, said: list[Utterance], tmp_path: Path
) -> None:
    """Those of other voices, and the user's own files, stay."""
    monkeypatch.setattr(score, "require", lambda: None)
    monkeypatch.setattr(score, "held_out", lambda data, note: said)

    def failing(*arguments: Any) -> None:
        raise InputError("no voice today")

    monkeypatch.setattr(score, "_score", failing)
    old, other, own = (tmp_path / f"{name}.wav" for name in ("clip-0-pulse", "clip-0-float", "my"))
    for file in (old, other, own):
        file.touch()
    words = ["--voice", "pulse", "--wav", str(tmp_path)]
    done = CliRunner().invoke(score.command, words)
    assert str(done.exception) == "no voice today"
    assert sorted(tmp_path.iterdir()) == [other, own]
