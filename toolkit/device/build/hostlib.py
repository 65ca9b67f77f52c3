# SPDX-License-Identifier: BSD-3-Clause
"""The firmware's engine as a host library, called through cffi: the same C without a board."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import cffi

from toolkit.common.errors import ToolError
from toolkit.common.wire import WIRE
from toolkit.device.build.declarations import declarations
from toolkit.targets.sources import SERVER_INCLUDES


class HostEngine:
    """One loaded engine, with a static instance of its own."""

    def __init__(self, library: Path) -> None:
        self._ffi = cffi.FFI()
        self._ffi.cdef(declarations("dredkit/engine.h", includes=SERVER_INCLUDES))
        try:
            # For a path that is already loaded, the loader returns the loaded library, even if a
            # newer build has replaced the file. Each engine therefore loads a copy of its own.
            with tempfile.TemporaryDirectory() as folder:
                own = Path(shutil.copy(library, folder))
                self._library: Any = self._ffi.dlopen(str(own))
            self._engine: Any = self._library.dk_app_engine
        except (OSError, AttributeError) as error:
            raise ToolError(f"{library}: not a dredkit host library ({error})") from error
        self.stage = bytes(self._ffi.string(self._engine.stage)).decode()
        self.model_hash = bytes(self._ffi.buffer(self._engine.model_hash)).hex()
        self.input_bytes = int(self._engine.input_bytes)
        self.output_bytes = int(self._engine.output_bytes)
        self.trace_bytes = int(self._engine.trace_bytes)

    def reset(self) -> None:
        """Return to the state before the first step."""
        self._check(int(self._engine.reset()), "reset")

    def step(self, inputs: bytes) -> tuple[bytes, bytes]:
        """Run one step; return (outputs, layer trace), little-endian int16."""
        if len(inputs) != self.input_bytes:
            raise ToolError(
                f"engine {self.stage} takes {self.input_bytes} bytes, not {len(inputs)}"
            )
        outputs = self._ffi.new("uint8_t[]", self.output_bytes)
        trace = self._ffi.new("uint8_t[]", self.trace_bytes)
        self._check(int(self._engine.step(inputs, outputs, trace)), "step")
        return bytes(self._ffi.buffer(outputs)), bytes(self._ffi.buffer(trace))

    def _check(self, status: int, what: str) -> None:
        if status != 0:
            raise ToolError(f"host engine {self.stage}: {what} failed: {WIRE.error_name(-status)}")
