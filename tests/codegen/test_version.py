# SPDX-License-Identifier: BSD-3-Clause
"""pyproject.toml is the one source of the version: the library tells the same."""

import subprocess
from pathlib import Path

import cffi
import pytest

from toolkit.codegen.constants.version import FILE, project_version, source
from toolkit.device.build.declarations import declarations
from toolkit.targets.sources import INCLUDES, VERSION


def test_the_public_header_is_as_written() -> None:
    assert FILE.read_text(encoding="utf-8") == source(project_version())


def test_the_library_tells_its_version(tmp_path: Path) -> None:
    library = tmp_path / "version.so"
    command = ["gcc", "-std=c11", "-shared", "-fPIC", *(f"-I{path}" for path in INCLUDES)]
    subprocess.run([*command, "-o", str(library), str(VERSION)], check=True)
    ffi = cffi.FFI()
    ffi.cdef(declarations("dredkit/version.h"))
    told = ffi.dlopen(str(library)).dk_version()
    assert ".".join(str(told >> shift & 255) for shift in (16, 8, 0)) == project_version()


def test_later_versions_have_greater_numbers() -> None:
    assert "#define DK_VERSION_MINOR 10\n" in source("1.10.3rc1")
    assert '#define DK_VERSION_STRING "1.10.3rc1"\n' in source("1.10.3rc1")
    with pytest.raises(ValueError, match=r"MAJOR\.MINOR\.PATCH"):
        source("1.2")
