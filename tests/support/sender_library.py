# SPDX-License-Identifier: BSD-3-Clause
"""The public sender as a host library, with a config.h of its own; undefined behaviour traps."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import numpy.typing as npt

from quantize.codec.sender import EncoderModel
from quantize.dred.history import Rate
from tests.support.decoder_library import TRAPS
from tests.support.dred_native import WARNINGS
from toolkit.codegen.generate import GENERATED, generate
from toolkit.codegen.package.sizes import measure_sizes
from toolkit.device.build.declarations import declarations
from toolkit.stages.sending import Sending
from toolkit.stages.stage import EncoderStage
from toolkit.targets.sources import INCLUDES, LIBRARY, PORTABLE_FLAG, room
from toolkit.targets.target import load_target

API_FILES = tuple(
    LIBRARY / "codec" / f"{name}.c" for name in ("sender", "sender_api", "voice_activity")
)


def write_config(folder: Path, sizes: Mapping[str, int]) -> Path:
    """Write dredkit/config.h with these sizes; return the include path to it."""
    made = folder / "config"
    (made / "dredkit").mkdir(parents=True, exist_ok=True)
    lines = "".join(f"#define {macro} {size}\n" for macro, size in sizes.items())
    (made / "dredkit" / "config.h").write_text(lines)
    return made


class SenderLibrary:
    """A model's sender, compiled for this machine, behind dredkit/sender.h."""

    def __init__(
        self,
        model: EncoderModel,
        folder: Path,
        input_rate: int,
        options: Sequence[str] = TRAPS,
    ) -> None:
        stage = EncoderStage(model, Sending(input_rate))
        generate(stage, load_target("host"), folder)
        generated = folder / GENERATED
        sizes = measure_sizes("gcc", [*options, PORTABLE_FLAG], (*INCLUDES, generated))
        config = write_config(folder, sizes)
        library = folder / "sender.so"
        files = [*room("nn", "dsp", "features", "dred"), *API_FILES, *generated.glob("*.c")]
        includes = [f"-I{path}" for path in (*INCLUDES, generated, config)]
        flags = [*WARNINGS, *options, PORTABLE_FLAG, "-shared", "-fPIC", *includes]
        command = ["gcc", *flags, "-o", str(library), *map(str, sorted(files))]
        subprocess.run(command, check=True)
        # cffi reads no alignment. What it allocates is aligned well enough.
        (config / "dredkit" / "align.h").write_text("#define DK_ALIGNED(n)\n")
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations("dredkit/sender.h", includes=(config, *INCLUDES)))
        self.lib: Any = self.ffi.dlopen(str(library))
        self.frame = input_rate // 100

    def start(self, delay: int) -> Any:
        """Return the memory of a sender that has heard nothing."""
        sender = self.ffi.new("dk_sender *")
        assert self.lib.dk_sender_init(sender, self.ffi.new("dk_sender_config *", [delay])) == 0
        return sender

    def hear(self, sender: Any, pcm: npt.NDArray[np.int16], voice: bool) -> None:
        memory = self.ffi.new("int16_t[]", pcm.tolist())
        assert self.lib.dk_sender_hear(sender, memory, len(pcm), voice) == 0

    def payload(self, sender: Any, rate: Rate, units: int) -> bytes:
        """Return the payload that fits rate.max_bytes; the memory has exactly this size."""
        asked = self.ffi.new(
            "dk_sender_rate *", [rate.q0, rate.dq, rate.qmax, rate.max_chunks, units]
        )
        out = self.ffi.new("uint8_t[]", rate.max_bytes)
        size = self.lib.dk_sender_payload(sender, asked, out, rate.max_bytes)
        assert 0 <= size <= rate.max_bytes
        return bytes(self.ffi.buffer(out, size))

    def run(
        self,
        pcm: npt.NDArray[np.int16],
        rates: Sequence[Rate],
        voices: Sequence[bool],
        frames: Sequence[int],
        delay: int,
        piece: int,
    ) -> list[bytes]:
        """Return each packet's payload; a packet is heard in pieces of at most `piece` frames."""
        sender = self.start(delay)
        payloads, at = [], 0
        for rate, voice, count in zip(rates, voices, frames, strict=True):
            for done in range(0, count, piece):
                size = min(piece, count - done) * self.frame
                self.hear(sender, pcm[at : at + size], voice)
                at += size
            # 0 stands for what the last piece had: the whole packet, if it was one piece.
            payloads.append(self.payload(sender, rate, 0 if count <= piece else 4 * count))
        return payloads
