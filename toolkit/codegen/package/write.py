# SPDX-License-Identifier: BSD-3-Clause
"""Write a package's folder, whole or not at all."""

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from quantize.files.write import write_whole
from toolkit.codegen.blob.source import WEIGHTS
from toolkit.codegen.blob.write import FILE as BLOB
from toolkit.codegen.package.builds import PACK, VENDOR, build_files
from toolkit.codegen.package.config import config_header
from toolkit.codegen.package.notice import notice
from toolkit.codegen.package.product import Product, library_version
from toolkit.codegen.package.readme import NO_BOARD, NO_FIGURES, Figures, readme
from toolkit.codegen.package.sizes import RECEIVER, SENDER, measure_sizes
from toolkit.codegen.package.sources import (
    GENERATED,
    PUBLIC,
    Files,
    forwarding_headers,
    private_files,
    public_headers,
)
from toolkit.common.errors import InputError
from toolkit.common.paths import ROOT

MANIFEST: Final = "dredkit.json"  # by which a folder is known as a package
LICENSE: Final = ROOT / "LICENSE"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold
_ENUMS: Final = ("-fshort-enums", "-fno-short-enums")  # programs are compiled with either
Measure = Callable[[Product, Path], Figures | None]


def write_package(
    product: Product, folder: Path, measure: Measure | None, zipped: bool = False
) -> dict[str, Any]:
    """Write a package to `folder` and return its manifest; `zipped` adds it as a CMSIS-Pack's zip.

    `measure` measures the unfinished folder; it returns None for a core without an emulated board.
    None in its place means that nothing is measured. Raises InputError for a folder that holds
    anything but an earlier package, or that cannot be written.
    """
    _check_place(folder)
    with _appearing(folder) as made:
        private, blob = private_files(product)
        _write(made, private)
        sizes = _sizes(product, made)
        public = public_headers(product, config_header(product, sizes))
        files = {**public, **forwarding_headers(public)}
        files |= build_files(product, [*private, *public])
        if blob:
            write_whole(made / BLOB, blob)
        files |= {"LICENSE": LICENSE.read_text(encoding="utf-8"), "NOTICE": notice(product)}
        _write(made, files)
        figures = measure(product, made) if measure else None
        told = {**sizes, "blob": len(blob)}
        last = {"README.md": readme(product, told, figures, NO_BOARD if measure else NO_FIGURES)}
        _write(made, last)
        manifest = _manifest(product, sizes, figures, {**private, **files, **last}, blob)
        _write(made, {MANIFEST: json.dumps(manifest, indent=2) + "\n"})
        if zipped:
            _zip(made, made / f"{VENDOR}.{PACK}.{library_version()}.pack")
    return manifest


def _sizes(product: Product, folder: Path) -> dict[str, int]:
    """Return the bytes of the public objects by their macros, enough for enums of any size."""
    objects = [{"sender": SENDER, "receiver": RECEIVER}[role] for role in product.stages]
    objects += [WEIGHTS] if product.blob else []
    # The status and the constants that private headers include are public headers.
    public = {f"include/dredkit/{p.name}": p.read_text("utf-8") for p in PUBLIC.glob("*.h")}
    _write(folder, public)
    core = product.core
    includes = (folder / "src", folder / "include", folder / "src" / GENERATED)
    try:
        found = [
            measure_sizes(f"{core.prefix}gcc", (*core.flags, option), includes, objects)
            for option in _ENUMS
        ]
        return {macro: max(sizes[macro] for sizes in found) for macro in found[0]}
    finally:
        shutil.rmtree(folder / "include")


def _manifest(
    product: Product, sizes: Mapping[str, int], figures: Figures | None, files: Files, blob: bytes
) -> dict[str, Any]:
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    if blob:
        digests[BLOB] = hashlib.sha256(blob).hexdigest()
    return {
        "dredkit": library_version(),
        "core": product.core.name,
        "isa": product.core.isa,
        "role": product.role,
        "voice": product.voice,
        "model_hash": product.hash,
        "models": {role: stage.hash for role, stage in product.stages.items()},
        "source": {role: stage.source for role, stage in product.stages.items()},
        "input_rate": product.sender.input_rate if product.sender else None,
        "output_rate": product.output_rate or None,
        "sizes": dict(sizes),
        "figures": asdict(figures) if figures else None,
        "blob": product.blob or None,
        "files": digests,
    }


def _write(folder: Path, files: Files) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _zip(folder: Path, pack: Path) -> None:
    """Write all files of a folder to a zip; equal folders give equal bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(pack, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def _check_place(folder: Path) -> None:
    """Raise InputError unless the folder is absent, empty or an earlier package."""
    try:
        if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
            raise InputError(
                f"{folder}: holds other files than a package of dredkit; name a new folder"
            )
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from error


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Yield a folder that becomes `folder` at the end, or disappears after an error."""
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # A folder of its own beside the final one: a rename does not cross file systems.
        room = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise _refused(folder, error) from error
    try:
        made = room / "new"
        made.mkdir()
        yield made
        _exchange(made, folder, room / "old")
    except OSError as error:
        raise _refused(folder, error) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _exchange(made: Path, folder: Path, old: Path) -> None:
    """Put `made` in the place of `folder`, which becomes `old` if it is there."""
    there = folder.is_dir()
    if there:
        folder.rename(old)
    try:
        made.replace(folder)
    except BaseException:
        if there:
            old.rename(folder)
        raise


def _refused(folder: Path, error: OSError) -> InputError:
    where = error.filename2 or error.filename or folder
    return InputError(f"cannot write {where}: {error.strerror or error}")
