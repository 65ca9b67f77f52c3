# SPDX-License-Identifier: BSD-3-Clause
"""Read and write recorded speech in WAV files, as int16 at the rate of the networks."""

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from quantize.files.write import write_whole
from toolkit.common.errors import InputError

Pcm = npt.NDArray[np.int16]

SHORTEST_SECONDS = 0.02  # one Opus frame: below it there is not one DRED latent
LONGEST_SECONDS = 4 * 3600  # half a gigabyte as int16 at 16 kHz
# Sample rates of speech. With a header of 7 Hz, a small file would become gigabytes.
RATES = range(4000, 192_000 + 1)
_WAV_FORMATS = ("WAV", "WAVEX", "RF64", "W64")
_OGG = "OGG"
OGG_SUFFIXES = (".opus", ".ogg", ".oga")
_BLOCK = 1 << 16  # frames read at once, so that an hour of stereo never lies in memory as floats
_FEW_CHANNELS = 8  # with more channels, fewer frames are read at once
# Float files may overshoot full scale (they are saturated), but samples beyond +18 dBFS are on
# another scale, 16-bit integers stored as floats for one: saturating those would make noise.
_LARGEST_SAMPLE = 8.0


def read_audio(path: Path) -> Pcm:
    """Read a WAV file, or by its suffix Ogg with Opus or Vorbis, as `read_speech` reads WAV."""
    return read_speech(path, formats=(_OGG,) if path.suffix.lower() in OGG_SUFFIXES else None)


def read_speech(
    path: str | os.PathLike[str], rate: int = 16000, formats: Sequence[str] | None = None
) -> Pcm:
    """Read a WAV file of any sample rate and channel count as mono speech.

    Channels are averaged, then resampled; both in float, rounded once to the nearest integer (ties
    to even) and saturated to int16. A 16-bit mono file at `rate` comes back unchanged.

    Args:
        path: the WAV file (RIFF, RIFX, RF64 or W64; integer or float samples, or a codec that
            libsndfile has, such as GSM 6.10 or ADPCM), at 4000 to 192000 samples a second.
        rate: wanted samples a second.
        formats: libsndfile's names of the formats to take; those of WAV if None.

    Returns:
        int16 [n], 20 ms <= n <= 4 hours.

    Raises:
        InputError: the file is absent, unreadable, no regular file, empty, not a WAV, of another
            rate, shorter than 20 ms or longer than 4 hours, or holds samples that are not finite
            or not on the scale of +-1.0.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(f"{path} is a pipe or a device: give a WAV file")
        with path.open("rb", buffering=0) as stream:
            if not stream.read(1):
                raise InputError(f"{path} is empty (0 bytes): give a WAV file with speech")
            stream.seek(0)
            # As a descriptor: a damaged header may have libsndfile seek before the file's start,
            # which soundfile reports as a traceback on stderr if it reads a Python stream.
            with soundfile.SoundFile(stream.fileno(), closefd=False) as file:
                if file.format not in (formats or _WAV_FORMATS):
                    wanted = "/".join(formats or ["WAV"])
                    raise InputError(
                        f"{path} is {file.format}, not {wanted}: convert it to {wanted} first"
                    )
                if file.samplerate not in RATES:
                    raise InputError(
                        f"{path} says {file.samplerate} samples a second: want {RATES.start} to "
                        f"{RATES.stop - 1}; is its header damaged?"
                    )
                parts = _resample(_mono_blocks(file, path), file.samplerate, rate)
                pcm = np.concatenate([np.zeros(0, np.int16), *map(_to_int16, parts)])
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except soundfile.LibsndfileError as error:
        why = error.error_string.rstrip(".\n")
        raise InputError(f"{path} is not a WAV file that can be read: {why}") from error
    if len(pcm) == 0:
        raise InputError(f"{path} holds no samples: give a WAV file with speech")
    if len(pcm) < SHORTEST_SECONDS * rate:
        raise InputError(
            f"{path} is too short: {1000 * len(pcm) / rate:.1f} ms, at least 20 ms are needed"
        )
    return pcm


def write_wav(path: str | os.PathLike[str], pcm: Pcm, rate: int = 16000) -> None:
    """Write int16 samples [n], or [n, channels], as a 16-bit WAV file: whole or not at all.

    Raises:
        InputError: `pcm` is not int16, or the file cannot be written.
    """
    path = Path(path)
    if pcm.dtype != np.int16 or pcm.ndim not in (1, 2):
        raise InputError(f"{path}: samples must be int16 [n] or [n, channels], not {pcm.dtype}")
    memory = io.BytesIO()  # libsndfile seeks back to the header, which a pipe does not allow
    try:
        soundfile.write(memory, pcm, rate, format="WAV", subtype="PCM_16")
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(f"cannot write {path}: {error}") from error
    write_whole(path, memory.getvalue())


def _mono_blocks(file: soundfile.SoundFile, path: Path) -> Iterator[npt.NDArray[np.float64]]:
    """Yield [n] blocks, full scale 1.0, channels averaged, every sample checked."""
    start = 0
    frames = max(1, min(_BLOCK, _BLOCK * _FEW_CHANNELS // file.channels))
    # file.blocks() asks for the length, which codecs without seeking do not have.
    while len(block := file.read(frames, dtype="float64", always_2d=True)):
        if start > LONGEST_SECONDS * file.samplerate:
            raise InputError(f"{path} is longer than {LONGEST_SECONDS // 3600} hours: cut it")
        size = np.abs(block)
        wrong = ~(size <= _LARGEST_SAMPLE)  # true for NaN too
        if wrong.any():
            index, channel = np.argwhere(wrong)[0]
            value = block[index, channel]
            where = f"{path}: sample {start + index}, channel {channel}"
            if np.isfinite(value):
                raise InputError(
                    f"{where} is {value:g}, far beyond full scale 1.0: scale the file to +-1.0"
                )
            raise InputError(f"{where} is {value}: repair the file or cut that part out")
        start += len(block)
        yield block.mean(axis=1)


def _resample(
    blocks: Iterator[npt.NDArray[np.float64]], old_rate: int, rate: int
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield all blocks, resampled to `rate` samples a second, in order."""
    if old_rate == rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(old_rate, rate, 1, dtype="float64", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0), last=True)


def _to_int16(samples: npt.NDArray[np.float64]) -> Pcm:
    """Scale full scale 1.0 to 32768, round to nearest even and saturate."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
