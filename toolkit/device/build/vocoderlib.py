# SPDX-License-Identifier: BSD-3-Clause
"""A voice's firmware, compiled for this machine to speak long features quickly."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import cffi
import numpy as np
import numpy.typing as npt

from quantize.vocoder.voices import (
    VoiceModel,
    networks_of,
    read_voice,
    voice_bytes,
    voice_class,
    voice_name,
)
from toolkit.codegen.packing.pack import pack_network
from toolkit.codegen.voice.voice import voice_files as generated_files
from toolkit.common.errors import InputError, ToolError
from toolkit.device.build.declarations import prototypes
from toolkit.targets.sources import INCLUDES, PORTABLE_FLAG, room, voice_files

FRAME: Final = 160
FEATURES: Final = 20
Int16s = npt.NDArray[np.int16]
Voice = VoiceModel

_SHIM: Final = """
#include <stdlib.h>
#include "vocoder/{name}.h"
void *voice_new(void) {{ return calloc(1, sizeof(dk_{name})); }}
void voice_free(void *v) {{ free(v); }}
unsigned voice_bytes(void) {{ return sizeof(dk_{name}); }}
void voice_begin(void *v, const int16_t *context, const int16_t *past)
{{
    dk_{name}_begin(v, (const int16_t (*)[20])context, past);
}}
void voice_frames(void *v, int count, const int16_t *ahead, const int16_t *known, int16_t *pcm)
{{
    for (int i = 0; i < count; i++) {{
        dk_{name}_frame(v, ahead + 20 * i, known ? known + 160 * i : NULL, pcm + 160 * i);
    }}
}}
"""
_QUICK: Final = ("-O3", "-march=native")
CHECKED: Final = ("-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")


def sources(voice: Voice, generated: Path, isa: str = "c") -> list[Path]:
    """Write a voice's generated C to `generated`; return all C files that the voice needs.

    The tables of its networks are packed for `isa`.
    """
    packed = {n.graph.name: pack_network(n, isa) for n in networks_of(voice)}
    for file, text in generated_files(voice, packed).items():
        (generated / file).write_text(text, encoding="utf-8")
    own = voice_files(voice_name(voice))
    return [*own, *room("nn", "dsp", "features"), *sorted(generated.glob("*.c"))]


class VoiceLibrary:
    """The compiled C of a voice; the compiler's `flags` CHECKED trap undefined behaviour."""

    def __init__(self, voice: Voice, flags: tuple[str, ...] = _QUICK) -> None:
        compiler = shutil.which("gcc")
        if compiler is None:
            raise ToolError("gcc is missing: apt-get install gcc")
        with tempfile.TemporaryDirectory(prefix="dredkit-voice-") as text:
            folder = Path(text)
            files = sources(voice, folder)
            shim, library = folder / "shim.c", folder / "voice.so"
            name = voice_name(voice)
            self._begins = voice_class(voice)
            shim.write_text(_SHIM.format(name=name), encoding="utf-8")
            command = [compiler, "-std=c11", "-shared", "-fPIC", "-Wall", "-Wextra"]
            command += ["-Wconversion", "-Wshadow", "-Werror", *flags]
            command += [PORTABLE_FLAG, *(f"-I{path}" for path in INCLUDES), f"-I{folder}"]
            command += ["-o", str(library), str(shim), *map(str, files)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                wrong = [line for line in done.stderr.splitlines() if "error" in line]
                raise ToolError(f"the voice does not compile: {(wrong or ['no word why'])[0]}")
            self._ffi = cffi.FFI()
            self._ffi.cdef(prototypes(shim.read_text(encoding="utf-8")))
            self._library: Any = self._ffi.dlopen(str(library))

    @property
    def state_bytes(self) -> int:
        """Return the RAM of one voice on this machine, in bytes."""
        return int(self._library.voice_bytes())

    def speaker(self) -> Speaker:
        """Return a voice that has not spoken yet."""
        return Speaker(self._ffi, self._library, self._begins.CONTEXT, self._begins.PAST)


class Speaker:
    """One voice in C, with the interface of quantize.vocoder's voices for many frames at once."""

    def __init__(self, ffi: cffi.FFI, library: Any, context: int, past: int) -> None:
        self._ffi, self._library = ffi, library
        self.context, self.past = context, past
        self._voice = ffi.gc(library.voice_new(), library.voice_free)
        self.begin(np.zeros((context, FEATURES)), np.zeros(past))

    def begin(self, context: npt.ArrayLike, past: npt.ArrayLike) -> None:
        """Forget everything and begin with features [self.context, 20] Q10 and samples."""
        frames = _int16(context, (self.context, FEATURES))
        samples = _int16(past, (self.past,))
        self._library.voice_begin(self._voice, self._pointer(frames), self._pointer(samples))

    def frames(self, ahead: npt.ArrayLike, known: npt.ArrayLike | None = None) -> Int16s:
        """Speak n frames; return samples [n * 160].

        `ahead` has the features [n, 20] of the frame after each one, `known` the true samples
        [n, 160] or None.
        """
        features = _int16(ahead, (-1, FEATURES))
        count = len(features)
        pcm = np.zeros(count * FRAME, np.int16)
        samples = None if known is None else _int16(known, (count, FRAME))
        heard = self._ffi.NULL if samples is None else self._pointer(samples)
        told = self._pointer(features)
        self._library.voice_frames(self._voice, count, told, heard, self._pointer(pcm))
        return pcm

    def _pointer(self, array: Int16s) -> Any:
        return self._ffi.cast("int16_t *", array.ctypes.data)


def _int16(values: npt.ArrayLike, shape: tuple[int, ...]) -> Int16s:
    array = np.asarray(values)
    if array.shape[1:] != shape[1:] or (shape[0] >= 0 and array.shape != shape):
        raise InputError(f"a voice takes values of shape {list(shape)}, not {list(array.shape)}")
    if array.size and (array.min() < -32768 or array.max() > 32767):
        raise InputError("a voice takes int16: a value is beyond")
    return np.ascontiguousarray(array, np.int16)


@functools.lru_cache(maxsize=8)
def _library(data: bytes) -> VoiceLibrary:
    return VoiceLibrary(read_voice(data, "the voice"))


def library(voice: Voice) -> VoiceLibrary:
    """Return the compiled voice; each voice is compiled once per process."""
    return _library(voice_bytes(voice))


def speak(voice: Voice, features: npt.ArrayLike) -> Int16s:
    """Speak features [n, 20] Q10 from silence on; return n * 160 samples at 16 kHz.

    The first frame also stands for the frames before it, the last for the frame after it. Frame t
    of features that quantize.features.floats extracts without delay describes the sound that
    starts 80 samples before frame t's own samples.
    """
    told = _int16(features, (-1, FEATURES))
    if not len(told):
        return np.zeros(0, np.int16)
    speaker = library(voice).speaker()
    speaker.begin(np.repeat(told[:1], speaker.context, axis=0), np.zeros(speaker.past, np.int16))
    return speaker.frames(np.concatenate([told[1:], told[-1:]]))
