# SPDX-License-Identifier: BSD-3-Clause
"""Packages for tests: the shipped models with the voice of pulses, for any core."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from toolkit.codegen.package.product import ROLES, Product
from toolkit.codegen.package.write import Measure, write_package
from toolkit.device.build.build import JOBS
from toolkit.models.importers import SHIPPED
from toolkit.models.quantise import Sources, quantise_decoder, quantise_encoder
from toolkit.stages.sending import Sending
from toolkit.stages.stage import DecoderStage, EncoderStage
from toolkit.targets.cores import load_core

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror")


@functools.cache
def models() -> tuple[EncoderModel, DecoderModel]:
    """Return the sender and the receiver, quantised once per process."""
    sources = Sources(SHIPPED, voice="pulse")
    sender = quantise_encoder(sources)[0]
    return sender, quantise_decoder(sources, sender)[0]


def product(core: str, role: str = "duplex", rate: int = 16000) -> Product:
    """Return a product of the shipped models."""
    sender, receiver = models()
    return Product(
        load_core(core),
        EncoderStage(sender, Sending(rate)) if "sender" in ROLES[role] else None,
        DecoderStage(receiver) if "receiver" in ROLES[role] else None,
    )


@functools.cache
def package(core: str, role: str = "duplex") -> Path:
    """Write a package without figures, once per process, and return its folder."""
    folder = Path(tempfile.mkdtemp(prefix="dredkit-package-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write(folder / "dredkit", core, role)
    return folder / "dredkit"


def write(folder: Path, core: str, role: str = "duplex", measure: Measure | None = None) -> None:
    """Write a package to `folder`."""
    write_package(product(core, role), folder, measure)


def archive(
    package: Path, folder: Path, options: Sequence[str], prefix: str = "", compiler: str = ""
) -> Path:
    """Compile every C file of a package with a plain list, and return the archive.

    `compiler` is a command in place of the gcc of the `prefix`.
    """
    folder.mkdir()
    include = [f"-I{package / name}" for name in ("include", "src")]
    sources = sorted((package / "src").rglob("*.c"))
    objects = [folder / f"{number}.o" for number in range(len(sources))]

    def compile_one(source: Path, made: Path) -> str:
        command = [compiler or f"{prefix}gcc", "-std=c11", *WARNINGS, *options, *include]
        done = subprocess.run(
            [*command, "-c", source, "-o", made], capture_output=True, text=True, check=False
        )
        return done.stderr

    with ThreadPoolExecutor(JOBS) as pool:
        complaints = "".join(pool.map(compile_one, sources, objects))
    assert not complaints, complaints
    made = folder / "libdredkit.a"
    subprocess.run([f"{prefix}ar", "rcs", made, *objects], check=True)
    return made


def symbols(made: Path, prefix: str = "") -> tuple[set[str], set[str]]:
    """Return the global names that an archive or program defines, and those that it lacks."""
    listed = subprocess.run(
        [f"{prefix}gcc-nm", "-g", "-P", made], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listed.splitlines() if len(line.split()) > 1]
    defined = {row[0] for row in rows if row[1] not in "Uw"}
    return defined, {row[0] for row in rows if row[1] in "Uw"} - defined
