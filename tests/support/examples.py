# SPDX-License-Identifier: BSD-3-Clause
"""The examples, built with packages of the shipped weights, and where they run."""

import functools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from toolkit.codegen.package.product import Product
from toolkit.codegen.package.write import MANIFEST, write_package
from toolkit.common.errors import ToolError
from toolkit.common.folders import alone
from toolkit.common.paths import BUILD
from toolkit.measure.examples import HOST, Options, build_examples, core_of
from toolkit.models.importers import SHIPPED
from toolkit.models.quantise import CLIP, Sources, quantise_decoder, quantise_encoder
from toolkit.speech.audio import Pcm, read_speech
from toolkit.speech.opus import fetch
from toolkit.stages.stage import DecoderStage, EncoderStage
from toolkit.targets.cores import load_core

FOLDER = BUILD / "examples"  # kept, so that libopus is compiled once a machine
SAMPLES = 320  # 20 ms
PACKETS = 100


@functools.cache
def models() -> tuple[EncoderModel, DecoderModel]:
    """Return the shipped sender and receiver, with the voice that needs no weights."""
    sources = Sources(SHIPPED, voice="pulse")
    sender = quantise_encoder(sources)[0]
    return sender, quantise_decoder(sources, sender)[0]


@functools.cache
def opus() -> Path | str:
    """Return the source of libopus, or why there is none.

    $DREDKIT_OPUS_DIR may name another release than Debian's.
    """
    named = os.environ.get("DREDKIT_OPUS_DIR")
    try:
        return Path(named).resolve() if named else fetch()
    except ToolError as error:
        return str(error)


@functools.cache
def programs(board: str) -> Path:
    """Build the examples for a board or HOST, once a run; skip the test without their tools."""
    for tool in () if board == HOST else ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    folder = FOLDER / core_of(board)
    source = opus()
    options = Options(opus=source if isinstance(source, Path) else None)
    with alone(folder):
        return build_examples(board, package(folder), folder / "build", options)


def package(folder: Path) -> Path:
    """Write the package of the core that `folder` is named after; keep one that is the same.

    Then nothing has to be compiled again.
    """
    sender, receiver = models()
    product = Product(load_core(folder.name), EncoderStage(sender), DecoderStage(receiver))
    kept, fresh = folder / "package", folder / "fresh"
    write_package(product, fresh, None)
    same = kept.is_dir() and (kept / MANIFEST).read_bytes() == (fresh / MANIFEST).read_bytes()
    if same:
        shutil.rmtree(fresh)
    else:
        shutil.rmtree(kept, ignore_errors=True)
        fresh.rename(kept)
    return kept


def program(board: str, name: str) -> Path:
    """Return a built example; skip the test if it is `call` and there is no libopus."""
    source = opus()
    if name == "call" and isinstance(source, str):
        pytest.skip(f"no source of libopus: {source}")
    return programs(board) / name


def speech() -> Pcm:
    """Return the two seconds that the examples hear."""
    return read_speech(CLIP)[16000 : 16000 + PACKETS * SAMPLES]


def write_pcm(path: Path, pcm: Pcm) -> None:
    """Write samples as the examples read them."""
    path.write_bytes(pcm.astype("<i2").tobytes())


def read_pcm(path: Path) -> Pcm:
    """Read samples that an example wrote."""
    return np.frombuffer(path.read_bytes(), "<i2").astype(np.int16)
