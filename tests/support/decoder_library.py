# SPDX-License-Identifier: BSD-3-Clause
"""The receiver's firmware and its serial engine as a library where undefined behaviour traps."""

import re
import subprocess
from pathlib import Path

from quantize.codec.receiver_model import DecoderModel
from tests.support.dred_native import WARNINGS
from toolkit.codegen.generate import GENERATED, generate
from toolkit.device.build.hostlib import HostEngine
from toolkit.stages.receiver import DecoderStage
from toolkit.targets.target import load_target

ROOT = Path(__file__).resolve().parents[2]
TRAPS = ["-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]


def checked_engine(model: DecoderModel, folder: Path, batch: int = 1) -> HostEngine:
    """Generate and compile a receiver for this machine, as CMakeLists.txt does but with traps."""
    generate(DecoderStage(model, batch=batch), load_target("host"), folder)
    generated = folder / GENERATED
    found = re.search(r"DREDKIT_VOICE (\w+)", (generated / "decoder.cmake").read_text())
    assert found is not None
    firmware = ROOT / "firmware"
    patterns = ("nn/*.c", "nn/c/*.c", "dsp/*.c", "dred/*.c", "decoder/*.c")
    voice = ("vocoder/synthesis*.c", f"vocoder/{found[1]}*.c")
    sources = [path for pattern in (*patterns, *voice) for path in sorted(firmware.glob(pattern))]
    library = folder / "decoder.so"
    includes = [f"-I{path}" for path in (firmware, firmware / "include", generated)]
    flags = [*WARNINGS, *TRAPS, "-shared", "-fPIC", *includes, "-o", str(library)]
    files = [*sources, *sorted(generated.glob("*.c"))]
    subprocess.run(["gcc", *flags, *map(str, files)], check=True)
    return HostEngine(library)
