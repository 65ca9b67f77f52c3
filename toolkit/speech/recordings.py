# SPDX-License-Identifier: BSD-3-Clause
"""Speech for training, from packages that any Debian mirror carries; nothing gets installed.

Each source of data/speech_sources.toml becomes a folder with, for the parts `train` and `test`,
`<part>.pcm.npy` (int16, 16 kHz) and `<part>.features.npy` (float32 [frames, 20], no delay).
The training part also exists at other speeds (`train@0.88.*`): played slower or faster, with
another gain and tilt a file, one recorded voice stands for several speakers. The part `far` is the
training part as far microphones hear it (toolkit/speech/rooms.py).
"""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import lfilter

from quantize.features import floats as features
from quantize.files.array_file import map_array
from quantize.files.write import open_whole
from toolkit.common.errors import ToolError
from toolkit.common.paths import ROOT
from toolkit.speech import rooms

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

I16 = NDArray[np.int16]
F32 = NDArray[np.float32]

SOURCES_FILE = ROOT / "toolkit" / "data" / "speech_sources.toml"
SPEEDS = (0.80, 0.88, 1.0, 1.13, 1.27)
FAR = "far"  # the part with rooms and noise
HELD_OUT = 10  # one file in this many is kept from training


@dataclass(frozen=True)
class Source:
    """One Debian package of recorded speech: a row of speech_sources.toml."""

    name: str
    package: str
    files: str
    skip: tuple[str, ...]
    language: str
    speaker: str
    licence: str
    attribution: str
    use: str


def sources() -> list[Source]:
    """Return the known sources in the order of the file."""
    table = tomllib.loads(SOURCES_FILE.read_text(encoding="utf-8"))
    return [Source(name=n, **{**row, "skip": tuple(row["skip"])}) for n, row in table.items()]


def part_of(path: str) -> str:
    """Return "test" for the one file in ten that training never sees, else "train".

    The name alone decides, so that a prompt is held out in every language and on every machine.
    """
    return "test" if zlib.crc32(Path(path).stem.encode()) % HELD_OUT == 0 else "train"


def fetch(source: Source, cache: Path) -> Path:
    """Download and unpack the package of `source`, see fetch_package."""
    return fetch_package(source.package, cache)


def fetch_package(package: str, cache: Path) -> Path:
    """Download and unpack a Debian package under `cache`; return the unpacked folder.

    Raises ToolError where apt or dpkg are missing or the mirror does not answer.
    """
    folder = cache / "packages" / package
    if folder.is_dir():
        return folder
    downloads = cache / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    found = sorted(downloads.glob(f"{package}_*.deb"))
    if not found:
        run_tool(["apt-get", "download", package], downloads)
        found = sorted(downloads.glob(f"{package}_*.deb"))
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    run_tool(["dpkg-deb", "-x", str(found[-1].resolve()), str(partial.resolve())], downloads)
    partial.rename(folder)
    return folder


def run_tool(
    command: list[str], where: Path, why: str = "speech data needs apt, dpkg, ffmpeg"
) -> bytes:
    """Run a command in the folder `where`; return what it printed.

    Raises ToolError where it is missing (with `why` it is needed) or fails.
    """
    try:
        done = subprocess.run(command, cwd=where, capture_output=True, check=False)
    except FileNotFoundError:
        raise ToolError(f"{command[0]} is missing: {why}") from None
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise ToolError(f"{' '.join(command[:3])} failed: {last}")
    return done.stdout


def decode(path: Path) -> I16:
    """Return the audio of one file as int16 samples, 16 kHz mono."""
    kind = ["-f", "g722"] if path.suffix == ".g722" else []
    command = ["ffmpeg", "-nostdin", "-v", "error", *kind, "-i", str(path.resolve())]
    command += ["-f", "s16le", "-ac", "1", "-ar", str(features.SAMPLE_RATE), "-"]
    return np.frombuffer(run_tool(command, path.parent), "<i2").astype(np.int16)


def vary(pcm: I16, speed: float, seed: int) -> I16:
    """Return `pcm` played at another speed, with a gain and a spectral tilt drawn from `seed`."""
    rng = np.random.default_rng(seed)
    rate = float(features.SAMPLE_RATE)
    fast = soxr.resample(pcm.astype(np.float64), rate * speed, rate) if speed != 1 else pcm
    zeros, poles = rng.uniform(-0.35, 0.35, (2, 2))
    shaped = lfilter([1, *zeros], [1, *poles], fast) * 10 ** (rng.uniform(-22, 2) / 20)
    return np.asarray(np.clip(np.rint(shaped), -32768, 32767), np.int16)


def _store(folder: Path, part: str, clips: Iterable[I16]) -> None:
    pcm = np.concatenate([np.asarray(c, np.int16) for c in clips])
    for kind, array in (("features", features.extract(pcm, delay=0)), ("pcm", pcm)):
        with open_whole(folder / f"{part}.{kind}.npy") as stream:
            np.save(stream, array)


def prepare(source: Source, cache: Path, note: Callable[[str], None]) -> dict[str, float]:
    """Make the arrays of one source under `cache`; return the minutes of each part.

    Arrays that exist are kept. `note` hears of each step.
    """
    folder = cache / source.name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = parts(source.use)
    if not stored(folder, wanted):
        root = fetch(source, cache)
        paths = sorted(p for p in root.glob(source.files) if not _skipped(source, p, root))
        if not paths:
            raise ToolError(f"{source.package} holds no {source.files}: another version?")
        note(f"{source.name}: decoding {len(paths)} files")
        with ThreadPoolExecutor(2) as pool:
            clips = list(pool.map(decode, paths))
        held = [source.use == "evaluate" or part_of(str(p)) == "test" for p in paths]
        test = [c for c, h in zip(clips, held, strict=True) if h]
        train = [c for c, h in zip(clips, held, strict=True) if not h]
        store(folder, test, train, lambda text: note(f"{source.name}: {text}"))
    return lengths(folder, wanted)


def parts(use: str) -> list[str]:
    """Return the file stems of a source that is for "train" or only to "evaluate"."""
    training = [*(part_name("train", s) for s in SPEEDS), FAR]
    return ["test", *(training if use == "train" else ())]


def store(folder: Path, test: list[I16], train: list[I16], note: Callable[[str], None]) -> None:
    """Write the arrays of a source: held-out clips, and the others, if any, at every speed."""
    _store(folder, "test", test)
    for speed in SPEEDS if train else ():
        note(f"features at speed {speed:g}")
        made = [
            c if speed == 1 else vary(c, speed, 1000 * i + round(100 * speed))
            for i, c in enumerate(train)
        ]
        _store(folder, part_name("train", speed), made)
    if train:
        note("features in rooms and noise")
        _store(folder, FAR, [rooms.far(c, i) for i, c in enumerate(train)])


def stored(folder: Path, wanted: list[str]) -> bool:
    """Return whether all arrays of some parts are on disk."""
    names = (f"{part}.{kind}.npy" for part in wanted for kind in ("pcm", "features"))
    return all((folder / name).is_file() for name in names)


def lengths(folder: Path, wanted: list[str]) -> dict[str, float]:
    """Return the minutes of each part on disk."""
    cure = "delete it and run `dredkit train data`"
    pcm = {part: map_array(folder / f"{part}.pcm.npy", np.int16, (None,), cure) for part in wanted}
    return {part: len(samples) / features.SAMPLE_RATE / 60 for part, samples in pcm.items()}


def part_name(part: str, speed: float) -> str:
    """Return the file stem of a part at a speed: "train" or "train@0.88"."""
    return part if speed == 1 else f"{part}@{speed:.2f}"


def _skipped(source: Source, path: Path, root: Path) -> bool:
    name = str(path.relative_to(root))
    return any(word in name for word in source.skip)
