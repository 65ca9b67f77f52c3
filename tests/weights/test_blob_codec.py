# SPDX-License-Identifier: BSD-3-Clause
"""A sender and a receiver in one image: a blob gives the bytes and samples of linked-in tables."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.redundancy import DecoderNetworks
from quantize.codec.sender import EncoderModel
from quantize.nn import topologies
from quantize.vocoder.voices import VoiceModel, voice_name
from tests.fuzz.run import fuzz_tables
from tests.support.decoder_library import TRAPS
from tests.support.dred_native import WARNINGS
from tests.support.fargan_models import random_fargan
from tests.support.lpcnet_models import random_voice
from tests.support.sender_library import write_config
from tests.support.small_models import small_model
from toolkit.codegen.blob.product import with_blob
from toolkit.codegen.blob.source import WEIGHTS
from toolkit.codegen.generate import GENERATED, generate
from toolkit.codegen.package.sizes import RECEIVER, SENDER, measure_sizes
from toolkit.common.wire import Status
from toolkit.device.build.declarations import prototypes
from toolkit.stages.stage import DecoderStage, EncoderStage
from toolkit.targets.sources import INCLUDES, PORTABLE_FLAG, library_files
from toolkit.targets.target import load_target

PACKETS = 30
SPOKEN = 4
SHIM = """
#include "dredkit/receiver.h"
#include "dredkit/sender.h"
#include "dredkit/weights.h"
static dk_weights weights;
static dk_sender sender;
static dk_receiver receiver;
int32_t open_blob(const uint8_t *bytes, size_t size)
{
    return dk_weights_open(&weights, bytes, size);
}
int32_t send_start(int blob)
{
    dk_sender_config config = dk_sender_config_default();
    config.weights = blob ? &weights : NULL;
    return dk_sender_init(&sender, &config);
}
int32_t send(const int16_t *pcm, uint8_t *payload, size_t capacity)
{
    const dk_sender_rate rate = dk_sender_rate_default();
    const int32_t status = dk_sender_hear(&sender, pcm, 320, true);
    return status < 0 ? status : dk_sender_payload(&sender, &rate, payload, capacity);
}
int32_t receive_start(int blob)
{
    dk_receiver_config config = dk_receiver_config_default();
    config.weights = blob ? &weights : NULL;
    return dk_receiver_init(&receiver, &config);
}
int32_t receive(const uint8_t *payload, size_t size)
{
    const int32_t chunks = dk_receiver_payload(&receiver, 960, payload, size);
    while (dk_receiver_work(&receiver, 1) > 0) {
    }
    return chunks;
}
int32_t speak(int16_t *pcm) { return dk_receiver_lost(&receiver, 320, pcm); }
"""


class Duplex:
    """The library of a sender and a receiver of one model; undefined behaviour traps."""

    def __init__(self, folder: Path, voice: VoiceModel, linked: bool) -> None:
        folder.mkdir()
        self.blob, generated = _generated(folder, voice, linked)
        flags = [*TRAPS, PORTABLE_FLAG]
        sizes = measure_sizes("gcc", flags, (*INCLUDES, generated), (SENDER, RECEIVER, WEIGHTS))
        config = write_config(folder, {**sizes, "DK_OUTPUT_RATE": 16000})
        includes = [f"-I{path}" for path in (*INCLUDES, generated, config)]
        files = library_files(("sender", "receiver"), voice_name(voice), blob=True)
        files += [*generated.glob("*.c"), folder / "shim.c"]
        (folder / "shim.c").write_text(SHIM, encoding="utf-8")
        library = folder / "duplex.so"
        command = ["gcc", *WARNINGS, *flags, "-shared", "-fPIC", *includes, "-o", str(library)]
        subprocess.run([*command, *map(str, files)], check=True)
        self.ffi = cffi.FFI()
        self.ffi.cdef(prototypes(SHIM))
        self.lib: Any = self.ffi.dlopen(str(library))

    def open(self) -> int:
        """Open the model's blob, which lies at an aligned address."""
        blob = self.blob
        self.memory = np.zeros(len(blob) + 16, np.uint8)
        start = -self.memory.ctypes.data % 16
        self.memory[start : start + len(blob)] = np.frombuffer(blob, np.uint8)
        at = self.ffi.cast("uint8_t *", self.memory.ctypes.data + start)
        return int(self.lib.open_blob(at, len(blob)))

    def payloads(self, blob: bool) -> list[bytes]:
        """Send noise; return the payload of each packet."""
        assert self.lib.send_start(blob) == Status.OK
        rng = np.random.default_rng(5)
        found = []
        for _ in range(PACKETS):
            pcm = self.ffi.new("int16_t[]", rng.integers(-9000, 9000, 320).tolist())
            payload = self.ffi.new("uint8_t[]", 1000)
            size = self.lib.send(pcm, payload, 1000)
            assert size >= 0
            found.append(bytes(self.ffi.buffer(payload, size)))
        return found

    def spoken(self, blob: bool, payload: bytes) -> list[int]:
        """Receive a payload after a loss; return what is spoken."""
        assert self.lib.receive_start(blob) == Status.OK
        assert self.lib.receive(payload, len(payload)) > 0
        found: list[int] = []
        for _ in range(SPOKEN):
            pcm = self.ffi.new("int16_t[]", 320)
            assert self.lib.speak(pcm) == Status.OK
            found += list(pcm)
        return found


def _generated(folder: Path, voice: VoiceModel, linked: bool) -> tuple[bytes, Path]:
    """Write the generated C of both directions into one folder; return the blob and the folder."""
    tables = fuzz_tables(None)
    pitch, encoder, start, step = (
        small_model(graph, seed=7)
        for graph in (
            topologies.pitch(),
            topologies.rdovae_encoder(),
            topologies.rdovae_decoder_init(),
            topologies.rdovae_decoder(),
        )
    )
    ahead = small_model(topologies.predictor(24, 16), seed=7)
    decoder = DecoderModel(DecoderNetworks(start, step, tables), voice, ahead)
    stages = (EncoderStage(EncoderModel(pitch, encoder, tables)), DecoderStage(decoder))
    files: dict[str, str] = {}
    for stage in stages:
        generate(stage, load_target("host"), folder)
        files |= {path.name: path.read_text() for path in (folder / GENERATED).glob("*.[ch]")}
    files, blob = with_blob(files, stages, "c", "00" * 32, linked)
    generated = folder / "both"
    generated.mkdir()
    for name, text in files.items():
        (generated / name).write_text(text, encoding="utf-8")
    assert (generated / "pitch_weights.c").is_file() == linked
    return blob, generated


VOICES: dict[str, Callable[[], VoiceModel]] = {
    "lpcnet": lambda: random_voice(3),
    "fargan": lambda: random_fargan(3),
    "pulse": lambda: "pulse",
}


@pytest.mark.parametrize("voice", VOICES)
def test_a_blob_gives_the_bytes_of_linked_tables(voice: str, tmp_path: Path) -> None:
    """So does an image that has no tables of its own, which starts with no refused blob."""
    model = VOICES[voice]()
    both = Duplex(tmp_path / "both", model, linked=True)
    assert both.open() == Status.OK
    want = both.payloads(blob=False)
    longest = max(want, key=len)
    assert len(longest) > 20
    assert both.payloads(blob=True) == want
    spoken = both.spoken(False, longest)
    assert len(set(spoken)) > 100
    assert both.spoken(True, longest) == spoken
    alone = Duplex(tmp_path / "alone", model, linked=False)
    for start in (alone.lib.send_start, alone.lib.receive_start):
        assert start(False) == Status.ARGUMENT
        assert start(True) == Status.ARGUMENT  # nothing is open yet
    assert alone.open() == Status.OK
    assert alone.payloads(blob=True) == want
    assert alone.spoken(True, longest) == spoken
    assert alone.lib.open_blob(alone.ffi.NULL, 0) == Status.ARGUMENT
    assert alone.lib.send_start(True) == Status.ARGUMENT
    assert alone.lib.receive_start(True) == Status.ARGUMENT
