# SPDX-License-Identifier: BSD-3-Clause
"""The C of firmware/dredkit/plc as numpy functions; undefined behaviour traps."""

import subprocess
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import numpy.typing as npt

from quantize.nn.model import QuantisedModel
from tests.support.dred_native import WARNINGS
from toolkit.codegen.engine import plc_config
from toolkit.codegen.generate import GENERATED, generate
from toolkit.device.build.declarations import declarations, prototypes
from toolkit.stages.stage import NetworkStage
from toolkit.targets.sources import INCLUDES, PORTABLE_FLAG, room
from toolkit.targets.target import load_target

SHIM = Path(__file__).parent / "fixtures" / "plc_shim.c"
TRAPS = ["-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
Array = npt.NDArray[Any]


class PlcLibrary:
    """One concealment in C, with or without a predictor, and the functions below it."""

    def __init__(self, folder: Path, model: QuantisedModel | None = None) -> None:
        generated = folder / GENERATED
        generated.mkdir()
        rooms = ["dsp", "features", "plc"]
        if model is not None:
            generate(NetworkStage(model), load_target("host"), folder)
            (generated / "engine.c").unlink()
            rooms.append("nn")
        (generated / "plc_config.h").write_text(plc_config(model))
        sources = [*room(*rooms), *sorted(generated.glob("*.c")), SHIM]
        library = folder / "plc.so"
        includes = [f"-I{path}" for path in (*INCLUDES, generated)]
        shared = [*TRAPS, PORTABLE_FLAG, "-shared", "-fPIC", *includes, "-o", str(library)]
        subprocess.run(["gcc", *WARNINGS, *shared, *map(str, sources)], check=True)
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations("plc/burg.h", "plc/heard.h") + prototypes(SHIM.read_text()))
        self.lib: Any = self.ffi.dlopen(str(library))
        self.lib.plc_init()

    def pointer(self, array: Array) -> Any:
        """Return a C pointer to the array's data."""
        assert array.flags.c_contiguous
        return self.ffi.cast(f"{array.dtype.name}_t *", array.ctypes.data)

    def burg(self, pcm: Array) -> Array:
        """Return the Burg cepstra [36] of a frame [160]."""
        out, held = np.zeros(36, np.int32), pcm.astype(np.int16)
        self.lib.dk_burg_cepstra(self.pointer(held), self.pointer(out))
        return out

    def features(self, pcm: Array) -> Array:
        """Return the features [5, 20] of the last frames of samples [1120]."""
        out, heard = np.zeros((7, 20), np.int16), self.ffi.new("dk_heard *")
        self.lib.dk_heard_init(heard)
        for row, frame in zip(out, pcm.astype(np.int16).reshape(7, 160), strict=True):
            self.lib.dk_heard_frame(heard, self.pointer(frame), self.pointer(row))
        return out[2:]

    def begin(self, pcm: Array | None) -> None:
        held = None if pcm is None else pcm.astype(np.int16)  # as long as C reads it
        self.lib.plc_begin(self.ffi.NULL if held is None else self.pointer(held))

    def foresee(self, known: int) -> None:
        self.lib.plc_foresee(known)

    def past(self, back: int) -> Array:
        out = np.zeros(20, np.int16)
        self.lib.plc_past(back, self.pointer(out))
        return out

    def known(self, features: Array) -> None:
        held = features.astype(np.int16)
        self.lib.plc_known(self.pointer(held))

    def missing(self) -> Array:
        out = np.zeros(20, np.int16)
        self.lib.plc_missing(self.pointer(out))
        return out
