# SPDX-License-Identifier: BSD-3-Clause
"""A package holds the sources of one ISA and its model, is complete, and leaks no name."""

import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.packages import WARNINGS, archive, package, product, symbols, write
from toolkit.codegen.blob.read import read_blob
from toolkit.codegen.package.config import config_header
from toolkit.codegen.package.notice import OPUS, OWN, UNKNOWN, notice
from toolkit.codegen.package.product import Product
from toolkit.codegen.package.readme import Figures, readme, wrapped
from toolkit.codegen.package.write import write_package
from toolkit.common.errors import InputError, ToolError
from toolkit.models.importers import BLOB, IMPORTED, TRAINED
from toolkit.models.voice import VOICES
from toolkit.stages.stage import EncoderStage
from toolkit.targets.cores import cores, load_core
from toolkit.targets.isas import ISAS, chain
from toolkit.targets.sources import LIBRARY, library_files

INCLUDE = re.compile(r'^#\s*include ([<"])([^>"]+)[>"]', re.MULTILINE)
STANDARD = {"stdbool.h", "stddef.h", "stdint.h", "string.h", "stdalign.h", "assert.h", "limits.h"}
# The functions that a compiler's own library and any C library have.
ALLOWED = re.compile(r"^(memcpy|memmove|memset|memcmp|__aeabi_\w+|__clz[sd]i2|__\w*div\w*)$")


@pytest.mark.parametrize("core", list(cores()))
def test_a_package_is_for_one_isa_and_includes_only_itself(core: str) -> None:
    folder = package(core)
    isa = load_core(core).isa
    private = sorted((folder / "src").rglob("*.[ch]"))
    rooms = {path.parent.name for path in private}
    assert rooms & ISAS.keys() <= {*chain(isa)}
    assert isa in rooms
    for path in [*private, *(folder / "include").rglob("*.h")]:
        for mark, name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            other = any(f"/{room}/" in f"/{name}" for room in ISAS.keys() - {*chain(isa)})
            homes = (folder / "include", folder / "src", path.parent)
            found = mark == "<" or any((home / name).is_file() for home in homes)
            # Only a package with a blob compiles these includes.
            other = other or name in ("model_weights.h", "dredkit/weights.h")
            assert found or other, f"{path}: {name}"


@pytest.mark.parametrize("role", ["sender", "receiver", "duplex"])
def test_public_headers_are_those_of_the_roles(role: str) -> None:
    public = package("portable", role) / "include" / "dredkit"
    names = {path.stem for path in public.iterdir()}
    wanted = {"sender", "receiver"} if role == "duplex" else {role}
    assert names & {"sender", "receiver"} == wanted
    for path in public.iterdir():
        for mark, name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            if mark == "<":
                assert name in STANDARD
            else:
                assert name.startswith("dredkit/")
    config = (public / "config.h").read_text(encoding="utf-8")
    for macro in ("DK_SENDER_BYTES", "DK_INPUT_RATE"):
        assert (macro in config) == ("sender" in wanted)
    for macro in ("DK_RECEIVER_BYTES", "DK_OUTPUT_RATE", "DK_VOICE_NAME"):
        assert (macro in config) == ("receiver" in wanted)


@pytest.mark.parametrize(
    ("core", "role"),
    [
        ("portable", "sender"),
        ("portable", "receiver"),
        ("cortex-m0plus", "duplex"),
        ("cortex-m85", "duplex"),
        ("cortex-a7", "duplex"),
        ("cortex-a53", "duplex"),
        ("cortex-a76", "duplex"),
    ],
)
def test_a_plain_list_of_files_builds_and_leaks_no_name(
    core: str, role: str, tmp_path: Path
) -> None:
    known = load_core(core)
    made = archive(package(core, role), tmp_path / "objects", ["-O0", *known.flags], known.prefix)
    defined, missing = symbols(made, known.prefix)
    assert {name for name in defined if not name.startswith("dk_")} == set()
    assert {name for name in missing if not ALLOWED.match(name)} == set()


@pytest.mark.parametrize("options", [("-O0", "-g"), ("-Os", "-fno-omit-frame-pointer")])
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m55"])
def test_assembly_compiles_without_optimisation_and_with_a_frame_pointer(
    core: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    """CMake compiles with -O0 unless it is told otherwise."""
    known, folder = load_core(core), package(core)
    if shutil.which(f"{known.prefix}gcc") is None:
        pytest.skip("no compiler for 32-bit Arm")
    kernels = sorted((folder / "src").glob(f"*/{known.isa}/*.c"))
    assert len(kernels) >= 9
    command = [f"{known.prefix}gcc", *known.flags, *options, "-std=c11", *WARNINGS]
    command += [f"-I{folder / name}" for name in ("include", "src")]
    subprocess.run([*command, "-c", *kernels], check=True, cwd=tmp_path)


@pytest.mark.parametrize("blob", ["beside", "alone"])
def test_a_package_with_a_blob(blob: str, tmp_path: Path) -> None:
    """It builds, opens weights, and has tables of its own only beside a blob."""
    folder = tmp_path / "dredkit"
    manifest = write_package(replace(product("portable"), blob=blob), folder, None)
    data = (folder / "weights.dkw").read_bytes()
    assert read_blob(data).model.hex() == manifest["model_hash"]
    assert manifest["files"]["weights.dkw"] == hashlib.sha256(data).hexdigest()
    config = (folder / "include" / "dredkit" / "config.h").read_text(encoding="utf-8")
    assert f"#define DK_WEIGHTS_BYTES {manifest['sizes']['DK_WEIGHTS_BYTES']} " in config
    defined, lacking = symbols(archive(folder, tmp_path / "objects", load_core("portable").flags))
    assert all(name.startswith("dk_") for name in defined)
    assert "dk_weights_open" in defined
    for name in ("dk_model_tables", "dk_rdovae_enc_linked", "dk_rdovae_dec_linked"):
        assert (name in defined) == (blob == "beside")
    assert {name for name in lacking if not ALLOWED.match(name)} == set()
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert f"Flash of `weights.dkw`: {len(data):,} bytes" in text


def test_a_package_without_a_blob_opens_none() -> None:
    folder = package("portable")
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not names & {"weights.h", "weights.dkw", "blob.c", "lpcnet_weights.c", "weights_api.c"}


def test_another_cores_compiler_is_refused() -> None:
    folder = package("cortex-m4")
    command = ["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m3", "-fsyntax-only"]
    include = [f"-I{folder / 'include'}", f"-I{folder / 'src'}"]
    done = subprocess.run(
        [*command, *include, folder / "src" / "nn" / "simd32" / "gate.c"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "this folder is for Cortex-M4: compile with -mthumb -mcpu=cortex-m4" in done.stderr


@pytest.mark.skipif(not shutil.which("clang"), reason="clang is not installed")
def test_clang_is_told_what_to_take_and_compiles_it(tmp_path: Path) -> None:
    made = product("cortex-m4", "sender")
    write_package(replace(made, core=made.core.with_portable_c()), tmp_path / "dredkit", None)
    arm = ["--target=arm-none-eabi", "-mthumb", "-mcpu=cortex-m4", "-mfloat-abi=soft"]
    cases = ((package("cortex-m4"), arm, "--portable"), (tmp_path / "dredkit", [], ""))
    for folder, target, error in cases:
        source = next((folder / "src" / "nn").rglob("gate.c"))
        done = subprocess.run(
            [
                "clang",
                *target,
                "-fsyntax-only",
                *WARNINGS,
                f"-I{folder}/include",
                f"-I{folder}/src",
                source,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (error in done.stderr) if error else (done.stderr == "")


def test_rates_and_names_reach_the_headers() -> None:
    made = product("portable", rate=48000)
    text = config_header(made, {"DK_SENDER_BYTES": 16, "DK_RECEIVER_BYTES": 24})
    assert "#define DK_INPUT_RATE 48000 " in text
    assert "#define DK_SENDER_BYTES 16 " in text
    assert f'#define DK_MODEL_HASH "{made.hash}"\n' in text
    assert made.sender is not None
    assert made.sender.hash in readme(made, {}, None, "")


def test_the_hash_is_of_the_only_role_or_of_both() -> None:
    both, sender = product("portable"), product("portable", "sender")
    assert sender.sender is not None
    assert sender.hash == sender.sender.hash
    assert len({both.hash, sender.hash, product("portable", "receiver").hash}) == 3


def test_notice_says_whose_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    own = notice(product("portable"))
    assert OWN in own
    assert "Xiph.Org" not in own
    made = product("portable", "sender")
    for kind, owner in ((BLOB, OPUS), (IMPORTED, OPUS), (TRAINED, UNKNOWN)):
        told = {"x.name": "w.bin", "x.kind": kind, "x.sha256": "ab" * 32}
        monkeypatch.setattr(EncoderStage, "source", told)
        text = notice(made)
        assert owner in text
        assert ("Neither the name of Internet Society" in text) == (owner == OPUS)


class Broken(Exception):
    """What fails while a package is measured."""


def broken(_product: Product, folder: Path) -> Figures | None:
    assert (folder / "include" / "dredkit" / "config.h").is_file()
    raise Broken


def test_a_package_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        write(tmp_path / "new", "portable", "sender", broken)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "old", "portable", "sender")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(Broken):
        write(tmp_path / "old", "portable", "sender", broken)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_package_replaces_a_package_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "portable", "sender")  # an empty folder is fine
    (tmp_path / "src" / "stale.c").touch()
    write(tmp_path, "portable", "sender")
    assert not (tmp_path / "src" / "stale.c").exists()
    (tmp_path / "dredkit.json").unlink()
    with pytest.raises(InputError, match="holds other files than a package of dredkit"):
        write(tmp_path, "portable", "sender")
    assert (tmp_path / "LICENSE").is_file()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*file"):
        write(tmp_path / "file" / "folder", "portable", "sender")


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="arm-none-eabi-gcc is missing"):
        write(tmp_path / "new", "cortex-m4", "sender")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("role", ["sender", "receiver", "duplex"])
def test_the_readmes_code_compiles(role: str, tmp_path: Path) -> None:
    folder = package("portable", role)
    text = (folder / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^```c\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(found) == (2 if role == "duplex" else 1)
    for number, code in enumerate(found):
        for name in (f"{number}.c", f"{number}.cpp"):
            (tmp_path / name).write_text(code)
            command = ["g++" if name.endswith("cpp") else "gcc", "-fsyntax-only", *WARNINGS]
            subprocess.run([*command, f"-I{folder}/include", tmp_path / name], check=True)


def test_paragraphs_are_wrapped_and_tables_are_not() -> None:
    row = f"| {'x ' * 80}|"
    text = wrapped(
        f"{'word ' * 40}\nmore\n\n{row}\n\n```\n{row}\n\n{row}\n```\n\n- {'item ' * 30}\n- b\n"
    )
    lines = text.splitlines()
    assert lines.count(row) == 3
    assert all(len(line) <= 100 for line in lines if line != row)
    assert "- b" in lines


def test_every_file_of_the_library_is_for_a_role() -> None:
    found = {
        path for voice in VOICES for path in library_files(("sender", "receiver"), voice, blob=True)
    }
    assert found == {*LIBRARY.rglob("*.c")}
    files = library_files(("sender",))
    assert not [path for path in files if path.parent.name == "plc"]
    alone = {path for path in files if path.parent.name == "codec"}
    assert {path.name for path in alone} == {"sender.c", "sender_api.c", "voice_activity.c"}
