# SPDX-License-Identifier: BSD-3-Clause
"""Damaged arrays of prepared speech end in one line that names the file and the remedy."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantize.errors import InputError
from quantize.files.array_file import map_array
from quantize.train.fargan.data import load_recordings
from quantize.train.recordings import load_features, load_speech
from toolkit.commands.shared.train_options import CHECKPOINTS
from toolkit.speech.recordings import lengths

RDOVAE = CHECKPOINTS / "rdovae.safetensors"
PCM, FEATURES = np.zeros(160 * 240, np.int16), np.zeros((240, 20), np.float32)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


DAMAGED = {
    "empty": b"",
    "garbage": b"no array\n" * 50,
    "pickle": npy(np.array([{}], object)),
    "archive": b"PK\x03\x04" + bytes(40),
    "other type": npy(np.zeros((240, 20))),
    "other shape": npy(np.zeros((2, 2, 2), np.float32)),
    "cut": npy(np.zeros(99, np.int16))[:-1],
    "longer": npy(np.zeros((99, 20), np.float32)) + b"\0",
    "columns": npy(np.asfortranarray(np.ones((240, 20), np.float32))),
}


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A folder with one recording."""
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "train.pcm.npy", PCM)
    np.save(tmp_path / "a" / "train.features.npy", FEATURES)
    return tmp_path


def refused(read: Callable[[], Any], name: str) -> str:
    with pytest.raises(InputError) as caught:
        read()
    line = str(caught.value)
    assert name in line
    assert "; delete " in line
    assert "\n" not in line
    return line


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_array_is_one_line(speech: Path, damage: str) -> None:
    for name, read in (
        ("train.features.npy", lambda: load_features(speech, "train")),
        ("train.pcm.npy", lambda: load_speech(speech, "train")),
        ("train.pcm.npy", lambda: lengths(speech / "a", ["train"])),
    ):
        path = speech / "a" / name
        whole = path.read_bytes()
        path.write_bytes(DAMAGED[damage])
        refused(read, name)
        path.write_bytes(whole)
    load_recordings(speech, "train", RDOVAE)
    (coded,) = (speech / "a").glob("train.coded-*.npy")
    coded.write_bytes(DAMAGED[damage])
    refused(lambda: load_recordings(speech, "train", RDOVAE), coded.name)


def test_samples_and_features_of_other_lengths_are_refused(speech: Path) -> None:
    np.save(speech / "a" / "train.pcm.npy", PCM[:-1])
    line = refused(lambda: load_speech(speech, "train"), "train.pcm.npy")
    assert "has 239 frames of 10 ms, its features have 240" in line
    (speech / "a" / "train.pcm.npy").unlink()
    assert "no such file" in refused(lambda: load_speech(speech, "train"), "train.pcm.npy")


def test_coded_features_of_an_older_recording_are_made_again(speech: Path) -> None:
    load_recordings(speech, "train", RDOVAE)
    np.save(speech / "a" / "train.pcm.npy", PCM[: 160 * 220])
    np.save(speech / "a" / "train.features.npy", FEATURES[:220])
    (recording,) = load_recordings(speech, "train", RDOVAE)
    assert recording.coded is not None
    assert recording.coded.shape == (2, 220, 20)


def test_a_source_without_speech_cannot_be_drawn_more_often(speech: Path) -> None:
    with pytest.raises(InputError, match=r"no speech of A under .*; did you mean 'a'\?"):
        load_recordings(speech, "train", RDOVAE, {"A": 2.0})


def test_arrays_are_mapped_and_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    for shape in ((3, 20), (0, 20)):
        values = np.arange(shape[0] * 20, dtype=np.float32).reshape(shape)
        np.save(path, values)
        found = map_array(path, np.float32, (None, 20), "")
        assert np.array_equal(found, values)
    np.save(path, np.ones(4))
    with pytest.raises(ValueError, match="read-only"):
        map_array(path, np.float64, (4,), "")[0] = 2
