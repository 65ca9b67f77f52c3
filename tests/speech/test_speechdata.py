# SPDX-License-Identifier: BSD-3-Clause
"""Preparation of training speech without internet: packages that need it are faked."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from toolkit.common.errors import ToolError
from toolkit.common.paths import ROOT
from toolkit.speech import recordings as speechdata
from toolkit.speech import rooms

CLIP = ROOT / "toolkit" / "data" / "clip.wav"


def _source(use: str = "train") -> speechdata.Source:
    return speechdata.Source(
        "demo", "demo-package", "sounds/*.wav", ("beep",), "en", "me", "CC0-1.0", "me", use
    )


def test_every_source_names_its_licence_and_whom_to_credit() -> None:
    found = speechdata.sources()
    assert {source.name for source in found} >= {"asterisk-en", "asterisk-ru"}
    for source in found:
        assert source.licence
        assert source.attribution
        assert source.use in ("train", "evaluate")
        if source.use == "train":  # the shipped weights were trained on these
            assert source.licence.startswith("CC-BY")


def test_the_shipped_clip_is_held_out_speech_at_16_khz() -> None:
    pcm, rate = soundfile.read(CLIP, dtype="int16")
    assert rate == 16000
    assert pcm.ndim == 1
    assert 3 <= len(pcm) / rate <= 5
    assert np.abs(pcm.astype(int)).max() > 3000
    assert speechdata.part_of("auth-incorrect.g722") == "test"


def test_one_file_in_ten_or_so_is_held_out_whatever_its_folder() -> None:
    names = [f"prompt-{i}.g722" for i in range(2000)]
    held = [name for name in names if speechdata.part_of(name) == "test"]
    assert 0.07 < len(held) / len(names) < 0.13
    assert speechdata.part_of(f"/other/place/{held[0]}") == "test"


def test_another_speed_changes_length_and_is_reproducible() -> None:
    pcm, _ = soundfile.read(CLIP, dtype="int16")
    slow = speechdata.vary(pcm, 0.88, seed=5)
    assert len(slow) == pytest.approx(len(pcm) / 0.88, abs=2)
    assert np.array_equal(slow, speechdata.vary(pcm, 0.88, seed=5))
    assert not np.array_equal(slow, speechdata.vary(pcm, 0.88, seed=6))


def test_prepare_splits_and_stores_all_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pcm, _ = soundfile.read(CLIP, dtype="int16")
    sounds = tmp_path / "packages" / "demo-package" / "sounds"
    sounds.mkdir(parents=True)
    for name in ("prompt-0", "prompt-1", "auth-incorrect", "beep"):
        soundfile.write(sounds / f"{name}.wav", pcm[:8000], 16000)
    monkeypatch.setattr(speechdata, "decode", lambda path: soundfile.read(path, dtype="int16")[0])
    minutes = speechdata.prepare(_source(), tmp_path, lambda text: None)
    assert set(minutes) == set(speechdata.parts("train"))
    assert minutes["test"] == pytest.approx(0.5 / 60)
    assert minutes["train"] == pytest.approx(1.0 / 60)
    folder = tmp_path / "demo"
    assert np.load(folder / "train.features.npy").shape == (100, 20)
    assert np.array_equal(np.load(folder / "test.pcm.npy"), pcm[:8000])
    assert not list(folder.glob("*.partial*"))
    assert speechdata.prepare(_source(), tmp_path, lambda text: None) == minutes


def test_a_package_without_the_files_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "packages" / "demo-package").mkdir(parents=True)
    with pytest.raises(ToolError, match="demo-package holds no sounds"):
        speechdata.prepare(_source(), tmp_path, lambda text: None)


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="apt-get is missing"):
        speechdata.fetch(_source(), tmp_path)


def test_a_far_microphone_hears_the_same_words_otherwise_and_reproducibly() -> None:
    pcm, _ = soundfile.read(CLIP, dtype="int16")
    heard = [rooms.far(pcm, seed) for seed in range(6)]
    for one in heard:
        assert one.shape == pcm.shape
        assert one.dtype == np.int16
        assert abs(np.corrcoef(one, pcm)[0, 1]) > 0.3
    assert len({one.tobytes() for one in heard}) == 6
    assert np.array_equal(heard[3], rooms.far(pcm, 3))
    assert not rooms.far(np.zeros(1600, np.int16), 1).any()  # silence has nothing to be heard
