# SPDX-License-Identifier: BSD-3-Clause
"""The firmware's receiver, compiled for this machine: what a board would play, at a host's speed.

quantize.codec.receiver_clock.ReceiverClock plays the same samples, some hundred times slower.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cffi
import numpy as np

from quantize.codec.receiver import VOICE_RATE, ReceiverConfig, State
from quantize.codec.receiver_model import DecoderModel
from quantize.errors import PayloadError
from quantize.integer import Ints
from toolkit.codegen.generate import GENERATED, generate
from toolkit.common.errors import ToolError
from toolkit.device.build.declarations import declarations
from toolkit.stages.receiver import DecoderStage
from toolkit.targets.sources import INCLUDES, PORTABLE_FLAG, library_files
from toolkit.targets.target import load_target

LIBRARY: Final = "receiver.so"
_ROOM: Final = 1 << 17  # bytes of a dk_receiver; receiver_api.c asserts that they are enough
_QUICK: Final = ("-O3", "-march=native")
_CONFIG: Final = "config"


def receiver_sources(
    model: DecoderModel, folder: Path, rate: int = VOICE_RATE, batch: int = 1
) -> tuple[list[Path], list[Path]]:
    """Generate a receiver that plays at `rate`; return all its C files and its include paths.

    The last include path has a dredkit/config.h for this receiver. `batch` is the number of chunks
    that are decoded at once.
    """
    generate(DecoderStage(model, batch=batch, output_rate=rate), load_target("host"), folder)
    generated, config = folder / GENERATED, folder / _CONFIG
    (config / "dredkit").mkdir(parents=True, exist_ok=True)
    lines = f"#define DK_OUTPUT_RATE {rate}\n#define DK_RECEIVER_BYTES {_ROOM}\n"
    (config / "dredkit" / "config.h").write_text(lines, encoding="utf-8")
    voice = re.search(r"DREDKIT_VOICE (\w+)", (generated / "decoder.cmake").read_text("utf-8"))
    assert voice is not None
    files = [*library_files(("receiver",), voice[1]), *sorted(generated.glob("*.c"))]
    return files, [*INCLUDES, generated, config]


def build_receiver(
    model: DecoderModel,
    folder: Path,
    flags: Sequence[str] = _QUICK,
    rate: int = VOICE_RATE,
    batch: int = 1,
) -> Path:
    """Compile the receiver of a model in a folder of its own; return the folder.

    Raises ToolError without gcc, or if the C does not compile.
    """
    compiler = shutil.which("gcc")
    if compiler is None:
        raise ToolError("gcc is missing: apt-get install gcc")
    files, includes = receiver_sources(model, folder, rate, batch)
    command = [compiler, "-std=c11", *flags, PORTABLE_FLAG, "-shared", "-fPIC"]
    command += [*(f"-I{path}" for path in includes), "-o", str(folder / LIBRARY)]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    if done.returncode:
        wrong = [line for line in done.stderr.splitlines() if "error" in line]
        raise ToolError(f"the receiver does not compile: {(wrong or ['no reason given'])[0]}")
    # cffi reads no alignment. What it allocates is aligned well enough.
    (includes[-1] / "dredkit" / "align.h").write_text("#define DK_ALIGNED(n)\n", encoding="utf-8")
    return folder


class ReceiverLibrary:
    """A compiled receiver, behind dredkit/receiver.h."""

    def __init__(self, folder: Path) -> None:
        """Open what `build_receiver` left in a folder; raises ToolError if that is impossible."""
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations("dredkit/receiver.h", includes=(folder / _CONFIG, *INCLUDES)))
        try:
            self.lib: Any = self.ffi.dlopen(str(folder / LIBRARY))
        except OSError as error:
            raise ToolError(f"{folder / LIBRARY}: not a receiver ({error})") from error

    def start(self, config: ReceiverConfig | None = None) -> NativeReceiver:
        """Return a receiver that has heard nothing; without `config`, C's default is in force."""
        return NativeReceiver(self.ffi, self.lib, config)


class NativeReceiver:
    """One receiver in C, called as quantize.codec.receiver_clock.ReceiverClock is."""

    def __init__(self, ffi: cffi.FFI, lib: Any, config: ReceiverConfig | None) -> None:
        self._ffi, self._lib = ffi, lib
        self._memory = ffi.new("dk_receiver *")
        given = ffi.NULL
        if config is not None:
            values = [config.over_ms, config.fade_ms, config.chunks_a_call]
            given = ffi.new("dk_receiver_config *", values)
        self._checked(lib.dk_receiver_init(self._memory, given))

    @property
    def time(self) -> int:
        """The time stamp of the next sample that is played."""
        return int(self._lib.dk_receiver_time(self._memory))

    def set_time(self, time: int) -> None:
        """Set the clock: for the first packet, or where the player skips or repeats audio."""
        self._checked(self._lib.dk_receiver_set_time(self._memory, time))

    @property
    def speaking(self) -> bool:
        """Whether the voice speaks."""
        return bool(self._lib.dk_receiver_is_speaking(self._memory))

    @property
    def state(self) -> State:
        """Where the last 10 ms came from."""
        return State(self._lib.dk_receiver_last_source(self._memory))

    def payload(self, time: int, data: bytes) -> int:
        """Take a payload; raises PayloadError for a malformed one, which changes nothing."""
        # The memory has exactly this size, so that a memory checker sees a read past its end.
        memory = self._ffi.new("uint8_t[]", data or b"\0")
        status = int(self._lib.dk_receiver_payload(self._memory, time, memory, len(data)))
        if status < 0:
            raise PayloadError(f"the receiver refuses a payload: status {status}", status)
        return status

    def expect_loss(self) -> None:
        """Tell that the audio to be played next is missing."""
        self._checked(self._lib.dk_receiver_expect_loss(self._memory))

    def expect_loss_at(self, time: int) -> None:
        """Tell that the next gap begins at a time stamp."""
        self._checked(self._lib.dk_receiver_expect_loss_at(self._memory, time))

    def work(self, budget: int) -> int:
        """Decode ahead."""
        return self._checked(self._lib.dk_receiver_work(self._memory, budget))

    def good(self, pcm: Ints, *, recovered: bool = False) -> Ints:
        """Take good samples and return what to play."""
        given = np.ascontiguousarray(pcm, np.int16)
        out = np.zeros(len(given), np.int16)
        call = self._lib.dk_receiver_recovered if recovered else self._lib.dk_receiver_good
        self._checked(call(self._memory, self._of(given), len(given), self._of(out)))
        return out.astype(np.int64)

    def lost(self, samples: int) -> Ints:
        """Speak in place of lost samples."""
        out = np.zeros(samples, np.int16)
        self._checked(self._lib.dk_receiver_lost(self._memory, samples, self._of(out)))
        return out.astype(np.int64)

    def concealed(self, pcm: Ints) -> Ints:
        """Play in place of lost samples, of which the base codec made `pcm`."""
        given = np.ascontiguousarray(pcm, np.int16)
        out = np.zeros(len(given), np.int16)
        call = self._lib.dk_receiver_concealed
        self._checked(call(self._memory, self._of(given), len(given), self._of(out)))
        return out.astype(np.int64)

    def _of(self, array: Any) -> Any:
        return self._ffi.cast("int16_t *", array.ctypes.data)

    def _checked(self, status: int) -> int:
        if status < 0:
            raise ToolError(f"the receiver refuses a call: status {status}")
        return int(status)
