# SPDX-License-Identifier: BSD-3-Clause
"""Any WAV is read as int16 mono; anything else ends in one clear line and leaves no file."""

import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from soundfile import available_subtypes

from toolkit.common.errors import InputError
from toolkit.speech.audio import read_speech, write_wav


def tone(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> npt.NDArray[np.float64]:
    """Return a sine at half of full scale."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def noise(count: int) -> npt.NDArray[np.int16]:
    return np.random.default_rng(7).integers(-32768, 32768, count).astype(np.int16)


def refusal(path: Path) -> str:
    """Read a file that must be refused; return the one line that tells why."""
    with pytest.raises(InputError) as caught:
        read_speech(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def test_sixteen_bit_mono_comes_back_unchanged(tmp_path: Path) -> None:
    pcm = noise(150_000)
    write_wav(tmp_path / "a.wav", pcm)
    assert np.array_equal(read_speech(tmp_path / "a.wav"), pcm)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channel_count(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.repeat(tone(rate)[:, None], channels, axis=1), rate, "PCM_24")
    pcm = read_speech(path)
    wanted = (tone(16000) * 32768)[: len(pcm)]
    assert len(pcm) == round(len(tone(rate)) * 16000 / rate)
    middle = slice(800, -800)  # the resampler's filter rings at the two ends
    assert np.abs(pcm[middle] - wanted[middle]).max() < 8


def test_channels_are_averaged_with_rounding(tmp_path: Path) -> None:
    left = noise(1000)
    right = noise(2000)[1000:]
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16000, "PCM_16")
    mean = np.rint((left.astype(int) + right) / 2)
    assert np.array_equal(read_speech(tmp_path / "a.wav"), mean)


def test_long_files_do_not_depend_on_the_block_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", noise(200_000), 44100)
    whole = read_speech(tmp_path / "a.wav")
    monkeypatch.setattr("toolkit.speech.audio._BLOCK", 1000)
    assert np.abs(read_speech(tmp_path / "a.wav").astype(int) - whole).max() <= 1


def test_float_overshoot_saturates(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.tile([1.0, -1.0, 2.5, -2.5], 100), 16000, "FLOAT")
    assert read_speech(tmp_path / "a.wav")[:4].tolist() == [32767, -32768, 32767, -32768]


def test_integers_stored_as_floats_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(16000) * 32768, 16000, "FLOAT")
    assert "far beyond full scale" in refusal(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    samples = np.stack([tone(16000), tone(16000)], axis=1)
    samples[1234, 1] = value
    soundfile.write(tmp_path / "a.wav", samples, 16000, "FLOAT")
    assert f"sample 1234, channel 1 is {value}" in refusal(tmp_path / "a.wav")


SUBTYPES = [
    (form, subtype)
    for form in ("WAV", "RF64", "W64")
    for subtype in available_subtypes(form)
    if subtype != "MPEG_LAYER_III"  # can be read, but not written
]


@pytest.mark.parametrize(("form", "subtype"), SUBTYPES)
def test_every_codec_in_a_wav_is_read(tmp_path: Path, form: str, subtype: str) -> None:
    """GSM 6.10 is among them, in which one cannot seek."""
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000, 1.0), 16000, subtype, format=form)
    pcm = read_speech(path)[4000:12000].astype(float)
    assert len(pcm) == 8000
    turns = np.fft.rfft(pcm * np.hanning(8000))
    assert np.argmax(np.abs(turns)) == 220  # 440 Hz in half a second
    assert pcm.std() == pytest.approx(16384 / 2**0.5, rel=0.1)


@pytest.mark.parametrize("rate", [1, 7, 3999, 192_001, 2**31 - 1])
def test_rates_that_no_speech_has_are_refused(tmp_path: Path, rate: int) -> None:
    write_wav(tmp_path / "a.wav", noise(1000), rate)
    tracemalloc.start()
    line = refusal(tmp_path / "a.wav")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"says {rate} samples a second: want 4000 to 192000" in line
    assert peak < 4 << 20


@pytest.mark.parametrize("rate", [4000, 192_000])
def test_the_last_rates_that_are_taken(tmp_path: Path, rate: int) -> None:
    write_wav(tmp_path / "a.wav", noise(rate), rate)
    assert len(read_speech(tmp_path / "a.wav")) == 16000


def header(*, rate: int = 16000, channels: int = 1, size: int, kind: int = 1) -> bytes:
    """Return a WAV header of 16-bit samples with any claims."""
    data = struct.pack("<4sI4s4sI", b"RIFF", min(size + 36, 2**32 - 1), b"WAVE", b"fmt ", 16)
    step = 2 * channels % 2**16
    data += struct.pack("<HHIIHH", kind, channels, rate, rate * step % 2**32, step, 16)
    return data + struct.pack("<4sI", b"data", size)


@pytest.mark.parametrize("size", [2**32 - 1, 2**31, 100_000, 640])
def test_a_header_that_claims_more_or_less_than_there_is(tmp_path: Path, size: int) -> None:
    pcm = noise(1000)
    (tmp_path / "a.wav").write_bytes(header(size=size) + pcm.tobytes())
    assert np.array_equal(read_speech(tmp_path / "a.wav"), pcm[: size // 2])


@pytest.mark.parametrize(
    "start",
    [
        header(size=2000, rate=0),
        header(size=2000, channels=0),
        header(size=2000, channels=65535),
        header(size=2000, kind=0x1234),
        header(size=2000)[:30],
    ],
)
def test_other_damaged_headers_are_one_line(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(start + noise(1000).tobytes())
    refusal(tmp_path / "a.wav")


def test_many_channels_are_read_in_shorter_blocks(tmp_path: Path) -> None:
    frames, channels = 8000, 1024
    (tmp_path / "a.wav").write_bytes(
        header(size=2 * frames * channels, channels=channels) + bytes(2 * frames * channels)
    )
    tracemalloc.start()
    assert not read_speech(tmp_path / "a.wav").any()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20  # all of it as floats takes 64 MiB


def test_a_recording_that_never_ends_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wav(tmp_path / "a.wav", noise(200_000))
    monkeypatch.setattr("toolkit.speech.audio.LONGEST_SECONDS", 1)
    monkeypatch.setattr("toolkit.speech.audio._BLOCK", 1000)
    assert "is longer than 0 hours" in refusal(tmp_path / "a.wav")


def test_a_pipe_is_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    assert "is a pipe or a device" in refusal(tmp_path / "a.wav")


def test_absent(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "a.wav")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(tmp_path)


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in refusal(tmp_path / "a.wav")


def test_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert "is empty" in refusal(tmp_path / "a.wav")


def test_no_samples(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(0, np.int16))
    assert "holds no samples" in refusal(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [16000, 48000])
def test_too_short(tmp_path: Path, rate: int) -> None:
    write_wav(tmp_path / "a.wav", noise(rate // 50 - 3), rate)
    assert "too short" in refusal(tmp_path / "a.wav")
    write_wav(tmp_path / "a.wav", noise(rate // 50), rate)
    assert len(read_speech(tmp_path / "a.wav")) == 320


@pytest.mark.parametrize("content", [b"RIFF", b"hello, world" * 100, bytes(4096)])
def test_not_a_wav(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    assert "is not a WAV file that can be read: " in refusal(tmp_path / "a.wav")


def test_other_audio_formats_are_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(16000), 16000, format="FLAC")
    assert "is FLAC, not WAV" in refusal(tmp_path / "a.wav")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, noise(500))
    before = path.read_bytes()

    def fail(stream: object, *_: object, **__: object) -> None:
        stream.write(b"half of it")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", fail)
    with pytest.raises(InputError, match="No space left"):
        write_wav(path, noise(900))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_only_int16_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be int16"):
        write_wav(tmp_path / "a.wav", tone(16000))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_header_that_seeks_before_the_file_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The callbacks of soundfile would print a traceback, and the command go on."""
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(8000), 8000, format="AIFF", subtype="PCM_16")
    data = bytearray(path.read_bytes()[:400])
    data[35:39] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    refusal(path)
    assert "Traceback" not in capfd.readouterr().err
