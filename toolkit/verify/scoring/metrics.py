# SPDX-License-Identifier: BSD-3-Clause
"""PLCMOS v2, DNSMOS and STOI of speech; their packages are the extra `score`."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.features.floats import SAMPLE_RATE
from toolkit.common.errors import ToolError

F32 = NDArray[np.float32]

METRICS = ("plcmos", "ovrl", "sig", "stoi")
TITLES = {"plcmos": "PLCMOS", "ovrl": "DNSMOS OVRL", "sig": "DNSMOS SIG", "stoi": "STOI"}
PLCMOS_PACKAGES = ("speechmos", "onnxruntime")
PACKAGES = (*PLCMOS_PACKAGES, "pystoi")

_SEED = 0  # PLCMOS means over 15 raters drawn from numpy's global generator
_DNSMOS_SECONDS = 9.01
# From DNSMOS' raw outputs to opinion scores: the published fits, highest power first.
_DNSMOS_FIT = {
    "sig": (-0.08397278, 1.22083953, 0.0052439),
    "ovrl": (-0.06766283, 1.11546468, 0.04602535),
}
_DNSMOS_OUTPUT = {"sig": 0, "ovrl": 2}


class Plcmos:
    """PLCMOS v2 alone. Raises ToolError where its packages are missing."""

    def __init__(self) -> None:
        require(PLCMOS_PACKAGES)
        plcmos = importlib.import_module("speechmos.plcmos")
        self._rater = plcmos.PLCMOS()
        self._rater.session = _session(_models() / "plcmos_models" / "plcmos_v2.onnx")

    def score(self, spoken: NDArray[np.int16]) -> float:
        """Judge speech, int16 at 16 kHz; the same speech gets the same score."""
        before = np.random.get_state()
        np.random.seed(_SEED)
        try:
            return float(self._rater((spoken / np.float32(32768)).astype(np.float32))["plcmos"])
        finally:
            np.random.set_state(before)


class Metrics:
    """The metrics, ready to use. Raises ToolError where their packages are missing."""

    def __init__(self) -> None:
        require()
        self.stoi = importlib.import_module("pystoi").stoi
        self.dnsmos = _session(_models() / "dnsmos_models" / "sig_bak_ovr.onnx")
        self.plcmos = Plcmos()

    def score(self, spoken: NDArray[np.int16], original: NDArray[np.int16]) -> dict[str, float]:
        """Judge speech, int16 at 16 kHz, that is aligned with its original and as long."""
        voice = (spoken / np.float32(32768)).astype(np.float32)
        plcmos = self.plcmos.score(spoken)
        stoi = float(self.stoi(original / 32768, voice, SAMPLE_RATE, extended=False))
        return {"plcmos": plcmos, **self._dnsmos(voice), "stoi": stoi}

    def _dnsmos(self, voice: F32) -> dict[str, float]:
        """Return means over windows of 9.01 s, a second apart; shorter speech is repeated."""
        window = int(_DNSMOS_SECONDS * SAMPLE_RATE)
        whole = np.tile(voice, 2 ** max(0, int(np.ceil(np.log2(window / len(voice))))))
        hops = int(len(whole) // SAMPLE_RATE - _DNSMOS_SECONDS) + 1
        starts = range(0, hops * SAMPLE_RATE, SAMPLE_RATE)
        name = self.dnsmos.get_inputs()[0].name
        raw = [self.dnsmos.run(None, {name: whole[s : s + window][None]})[0][0] for s in starts]
        return {
            key: float(np.mean([np.polyval(fit, row[_DNSMOS_OUTPUT[key]]) for row in raw]))
            for key, fit in _DNSMOS_FIT.items()
        }


def _models() -> Path:
    """Return the folder of the networks that come with speechmos."""
    return Path(str(importlib.import_module("speechmos.plcmos").__file__)).parent


def _session(path: Path) -> Any:
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def scorer_version() -> str:
    """Return the package that has PLCMOS, and its version, as results name it."""
    return f"speechmos {importlib.metadata.version('speechmos')}"


def require(packages: Sequence[str] = PACKAGES) -> None:
    """Raise ToolError, with the command that installs them, where packages are missing."""
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    if absent:
        raise ToolError(
            f"scoring needs {', '.join(absent)}: {sys.executable} -m pip install "
            f"{' '.join(packages)}"
        )
