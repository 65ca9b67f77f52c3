# SPDX-License-Identifier: BSD-3-Clause
"""The public receiver as a host library, with a config.h of its own; undefined behaviour traps."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cffi
import numpy as np

from quantize.codec.receiver import VOICE_RATE, ReceiverConfig, State
from quantize.codec.receiver_model import DecoderModel
from quantize.integer import Ints
from tests.support.decoder_library import CODEC_FILES, TRAPS
from tests.support.dred_native import WARNINGS
from toolkit.codegen.generate import GENERATED, generate
from toolkit.device.build.declarations import declarations
from toolkit.stages.receiver import DecoderStage
from toolkit.targets.sources import INCLUDES, LIBRARY, PORTABLE_FLAG, room, voice_files
from toolkit.targets.target import load_target

ROOM: Final = 1 << 17  # bytes of a dk_receiver; receiver_api.c asserts that it fits
API_FILES = (*CODEC_FILES, LIBRARY / "codec" / "receiver_api.c")


def receiver_sources(
    model: DecoderModel, folder: Path, rate: int = VOICE_RATE, batch: int = 1
) -> tuple[list[Path], list[Path]]:
    """Generate a receiver with a config.h; return its C files and its include path."""
    stage = DecoderStage(model, batch=batch, output_rate=rate)
    generate(stage, load_target("host"), folder)
    generated = folder / GENERATED
    found = re.search(r"DREDKIT_VOICE (\w+)", (generated / "decoder.cmake").read_text())
    assert found is not None
    config = folder / "config"
    (config / "dredkit").mkdir(parents=True, exist_ok=True)
    lines = f"#define DK_OUTPUT_RATE {rate}\n#define DK_RECEIVER_BYTES {ROOM}\n"
    (config / "dredkit" / "config.h").write_text(lines)
    files = [*room("nn", "dsp", "features", "dred", "plc"), *voice_files(found[1]), *API_FILES]
    return [*files, *sorted(generated.glob("*.c"))], [*INCLUDES, generated, config]


class ReceiverLibrary:
    """A model's receiver, compiled for this machine, behind dredkit/receiver.h."""

    def __init__(
        self,
        model: DecoderModel,
        folder: Path,
        rate: int = VOICE_RATE,
        batch: int = 1,
        flags: Sequence[str] = TRAPS,
    ) -> None:
        files, includes = receiver_sources(model, folder, rate, batch)
        library = folder / "receiver.so"
        command = ["gcc", *WARNINGS, *flags, PORTABLE_FLAG, "-shared", "-fPIC"]
        command += [*(f"-I{path}" for path in includes), "-o", str(library)]
        subprocess.run([*command, *map(str, files)], check=True)
        # cffi reads no alignment. What it allocates is aligned well enough.
        (includes[-1] / "dredkit" / "align.h").write_text("#define DK_ALIGNED(n)\n")
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations("dredkit/receiver.h", includes=(includes[-1], *INCLUDES)))
        self.lib: Any = self.ffi.dlopen(str(library))

    def start(self, config: ReceiverConfig | None = None) -> "NativeReceiver":
        """Return a receiver that has heard nothing."""
        return NativeReceiver(self, config)


class NativeReceiver:
    """One receiver, called as quantize.codec.receiver_clock.ReceiverClock is.

    A refused call raises ArithmeticError with the status.
    """

    def __init__(self, library: ReceiverLibrary, config: ReceiverConfig | None) -> None:
        self._ffi, self._lib = library.ffi, library.lib
        self.memory = self._ffi.new("dk_receiver *")
        given = self._ffi.NULL
        if config is not None:
            values = [config.over_ms, config.fade_ms, config.chunks_a_call]
            given = self._ffi.new("dk_receiver_config *", values)
        self._checked(self._lib.dk_receiver_init(self.memory, given))

    @property
    def time(self) -> int:
        return int(self._lib.dk_receiver_time(self.memory))

    @property
    def speaking(self) -> bool:
        return bool(self._lib.dk_receiver_is_speaking(self.memory))

    @property
    def state(self) -> State:
        return State(self._lib.dk_receiver_last_source(self.memory))

    def set_time(self, time: int) -> None:
        self._checked(self._lib.dk_receiver_set_time(self.memory, time))

    def payload(self, time: int, data: bytes) -> int:
        # The memory has exactly this size, so that a memory checker sees a read past its end.
        memory = self._ffi.new("uint8_t[]", data or b"\0")
        return self._checked(self._lib.dk_receiver_payload(self.memory, time, memory, len(data)))

    def work(self, budget: int) -> int:
        return self._checked(self._lib.dk_receiver_work(self.memory, budget))

    def good(self, pcm: Ints, *, recovered: bool = False) -> Ints:
        memory = self._ffi.new("int16_t[]", pcm.tolist())
        out = self._ffi.new("int16_t[]", len(pcm))
        call = self._lib.dk_receiver_recovered if recovered else self._lib.dk_receiver_good
        self._checked(call(self.memory, memory, len(pcm), out))
        return np.array(list(out), np.int64)

    def lost(self, samples: int) -> Ints:
        out = self._ffi.new("int16_t[]", samples)
        self._checked(self._lib.dk_receiver_lost(self.memory, samples, out))
        return np.array(list(out), np.int64)

    def concealed(self, pcm: Ints) -> Ints:
        memory = self._ffi.new("int16_t[]", pcm.tolist())
        out = self._ffi.new("int16_t[]", len(pcm))
        self._checked(self._lib.dk_receiver_concealed(self.memory, memory, len(pcm), out))
        return np.array(list(out), np.int64)

    def _checked(self, status: int) -> int:
        if status < 0:
            raise ArithmeticError(status)
        return int(status)
