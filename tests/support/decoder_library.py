# SPDX-License-Identifier: BSD-3-Clause
"""The receiver and its serial engine as a host library; undefined behaviour traps."""

import re
import subprocess
from pathlib import Path

from quantize.codec.receiver_model import DecoderModel
from tests.support.dred_native import WARNINGS
from toolkit.codegen.generate import GENERATED, generate
from toolkit.device.build.hostlib import HostEngine
from toolkit.stages.receiver import DecoderStage
from toolkit.targets.sources import (
    LIBRARY,
    PORTABLE_FLAG,
    SERVER,
    SERVER_INCLUDES,
    room,
    voice_files,
)
from toolkit.targets.target import load_target

CODEC_FILES = tuple(
    LIBRARY / "codec" / f"{name}.c" for name in ("receiver", "pending", "track", "redundancy")
)
RECEIVER_FILES = (
    *CODEC_FILES,
    SERVER / "receiver" / "engine.c",
)
TRAPS = ["-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]


def checked_engine(model: DecoderModel, folder: Path, batch: int = 1) -> HostEngine:
    """Generate and compile a receiver for this machine, like CMakeLists.txt but with traps."""
    generate(DecoderStage(model, batch=batch), load_target("host"), folder)
    generated = folder / GENERATED
    found = re.search(r"DREDKIT_VOICE (\w+)", (generated / "decoder.cmake").read_text())
    assert found is not None
    sources = [
        *room("nn", "dsp", "features", "dred", "plc"),
        *voice_files(found[1]),
        *RECEIVER_FILES,
    ]
    library = folder / "decoder.so"
    includes = [f"-I{path}" for path in (*SERVER_INCLUDES, generated)]
    flags = [*WARNINGS, *TRAPS, PORTABLE_FLAG, "-shared", "-fPIC", *includes, "-o", str(library)]
    files = [*sources, *sorted(generated.glob("*.c"))]
    subprocess.run(["gcc", *flags, *map(str, files)], check=True)
    return HostEngine(library)
