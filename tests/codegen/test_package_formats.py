# SPDX-License-Identifier: BSD-3-Clause
"""The build files of a package: all list the same sources, and each build system can read its own.

CMake's are built here and in tests/device/test_foreign_app.py. Kconfig is read by kconfiglib, and
Zephyr's CMakeLists.txt runs with stand-ins for Zephyr's functions. cmsis-pack-manager reads the
CMSIS-Pack; its own check is weak (it skips a file that it cannot read, without an error), so the
tests look at what it read. $DREDKIT_PACK_XSD may name Open-CMSIS-Pack's PACK.xsd, for xmllint. The
manifest for PlatformIO goes through `pio pkg pack` where it is installed, and otherwise is compared
with what the specification asks for, as Arduino's is.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.packages import package, product
from toolkit.codegen.package.product import library_version
from toolkit.codegen.package.write import write_package
from toolkit.targets.cores import cores, load_core

WITH_PACK = [name for name, core in cores().items() if core.cmsis]
# Zephyr's functions that the module calls; each writes its arguments to a file.
STAND_INS = """\
cmake_minimum_required(VERSION 3.20)
project(zephyr LANGUAGES NONE)
set(CONFIG_DREDKIT y)
set(CONFIG_DREDKIT_SPEED y)
foreach(name zephyr_include_directories zephyr_library_named zephyr_library_include_directories
        zephyr_library_sources zephyr_library_compile_options)
  cmake_language(EVAL CODE "
    function(${name})
      file(WRITE \\"${CMAKE_BINARY_DIR}/${name}\\" \\"\\${ARGN}\\")
    endfunction()")
endforeach()
add_subdirectory("${PACKAGE}/zephyr" module)
"""


def sources(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in (folder / "src").rglob("*.c")}


def test_cmake_lists_every_source() -> None:
    folder = package("portable")
    text = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    assert set(re.findall(r"^  (src/\S+\.c)$", text, re.MULTILINE)) == sources(folder)
    assert f"project(dredkit VERSION {library_version()} " in text


def test_zephyr_builds_every_source(tmp_path: Path) -> None:
    folder = package("portable")
    (tmp_path / "CMakeLists.txt").write_text(STAND_INS, encoding="utf-8")
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DPACKAGE={folder}"]
    subprocess.run(command, check=True, capture_output=True)
    told = {
        path.name: path.read_text().split(";") for path in (tmp_path / "build").glob("zephyr_*")
    }
    zephyr = folder / "zephyr"
    listed = {(zephyr / name).resolve() for name in told["zephyr_library_sources"]}
    assert listed == {(folder / name).resolve() for name in sources(folder)}
    assert told["zephyr_include_directories"] == ["../include"]
    assert told["zephyr_library_include_directories"] == ["../src"]
    assert told["zephyr_library_compile_options"] == list(load_core("portable").optimise)


def test_zephyr_finds_the_module() -> None:
    folder = package("portable")
    lines = (folder / "zephyr" / "module.yml").read_text(encoding="utf-8").splitlines()
    assert lines[2:] == ["name: dredkit", "build:", "  cmake: zephyr", "  kconfig: zephyr/Kconfig"]
    assert (folder / "zephyr" / "CMakeLists.txt").is_file()


@pytest.mark.parametrize("core", ["portable", "cortex-m4", "cortex-m33"])
def test_kconfig_depends_on_the_core(core: str, tmp_path: Path) -> None:
    kconfiglib = pytest.importorskip("kconfiglib")
    wanted = load_core(core).zephyr
    known = "".join(f"config {name}\n\tbool\n\tdefault $(is_{name})\n" for name in wanted)
    for answer in ("y", "n"):
        own = known
        for name in wanted:
            own = own.replace(f"$(is_{name})", answer)
        main = tmp_path / "Kconfig"
        main.write_text(f'{own}\nsource "{package(core)}/zephyr/Kconfig"\n', encoding="utf-8")
        tree = kconfiglib.Kconfig(str(main), warn_to_stderr=False)
        tree.syms["DREDKIT"].set_value("y")
        expected = "y" if answer == "y" or not wanted else "n"
        assert tree.syms["DREDKIT"].str_value == expected
        assert tree.syms["DREDKIT_SPEED"].str_value == expected
        assert tree.warnings == []


@pytest.mark.parametrize("core", WITH_PACK)
def test_the_cmsis_pack_names_files_that_exist(core: str) -> None:
    folder = package(core)
    (pdsc,) = folder.glob("*.pdsc")
    root = ET.parse(pdsc).getroot()  # it is ours
    assert pdsc.name == f"{root.findtext('vendor')}.{root.findtext('name')}.pdsc"
    # The elements and their order are those of Open-CMSIS-Pack's PACK.xsd.
    order = ("vendor", "name", "description", "url", "license", "releases", "keywords")
    assert [child.tag for child in root] == [*order, "conditions", "components"]
    (component,) = root.iter("component")
    (release,) = root.iter("release")
    assert component.get("Cversion") == release.get("version") == library_version()
    assert component.get("condition") == root.find("conditions/condition").get("id")  # type: ignore[union-attr]
    accepted = [accept.get("Dcore") for accept in root.iter("accept")]
    assert {name.lower().replace("+", "plus") for name in accepted if name} == {core}
    files = {file.get("name", ""): file for file in component.iter("file")}
    assert all((folder / name).exists() for name in files)
    listed = {name for name, file in files.items() if file.get("category") == "sourceC"}
    assert listed == sources(folder)
    assert files["src/"].get("scope") == "private"


def components(pdsc: Path) -> list[dict[str, Any]]:
    """Return the components that cmsis-pack-manager finds in a .pdsc."""
    manager = pytest.importorskip("cmsis_pack_manager")
    ffi, lib = manager.ffi, manager.lib
    found = ffi.gc(lib.pack_from_path(str(pdsc).encode()), lib.update_pdsc_index_free)
    parsed = ffi.gc(lib.parse_packs(found), lib.parse_packs_free)
    told = ffi.gc(lib.dumps_components(parsed), lib.cstring_free)
    assert lib.err_get_last_message() == ffi.NULL
    listed: list[dict[str, Any]] = json.loads(ffi.string(told))
    return listed


@pytest.mark.parametrize("core", WITH_PACK)
def test_cmsis_pack_manager_reads_the_pack(core: str) -> None:
    folder = package(core)
    (pdsc,) = folder.glob("*.pdsc")
    (found,) = components(pdsc)
    names = ("vendor", "class", "group", "version", "condition")
    assert [found[name] for name in names] == [
        *("dredkit", "Audio", "dredkit", library_version(), "core")
    ]
    files = {file["path"]: file["category"] for file in found["files"]}
    assert {name for name, category in files.items() if category == "SourceC"} == sources(folder)
    assert files["include/"] == files["src/"] == "Include"
    assert files["README.md"] == "Doc"
    assert files["include/dredkit/dredkit.h"] == "Header"


@pytest.mark.parametrize("missing", ["<vendor>dredkit</vendor>", "<url></url>", "</package>"])
def test_cmsis_pack_manager_reads_no_broken_pack(missing: str, tmp_path: Path) -> None:
    """So that the test above means something."""
    text = next(package("cortex-m4").glob("*.pdsc")).read_text(encoding="utf-8")
    assert text.count(missing) == 1
    broken = tmp_path / "dredkit.dredkit.pdsc"
    broken.write_text(text.replace(missing, ""), encoding="utf-8")
    assert components(broken) == []


@pytest.mark.parametrize("core", WITH_PACK)
def test_the_pack_is_valid_by_its_schema(core: str) -> None:
    schema = os.environ.get("DREDKIT_PACK_XSD")
    if schema is None or shutil.which("xmllint") is None:
        pytest.skip("$DREDKIT_PACK_XSD names no PACK.xsd, or xmllint is not installed")
    (pdsc,) = package(core).glob("*.pdsc")
    command = ["xmllint", "--noout", "--schema", schema, str(pdsc)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_pack_is_a_zip_of_the_folder(tmp_path: Path) -> None:
    write_package(product("cortex-m4", "sender"), tmp_path / "a", None, zipped=True)
    write_package(product("cortex-m4", "sender"), tmp_path / "b", None, zipped=True)
    name = f"dredkit.dredkit.{library_version()}.pack"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with zipfile.ZipFile(tmp_path / "a" / name) as archive:
        held = {entry: archive.read(entry) for entry in archive.namelist()}
    files = {path for path in (tmp_path / "a").rglob("*") if path.is_file()}
    here = {path.relative_to(tmp_path / "a").as_posix(): path.read_bytes() for path in files}
    assert here.pop(name)
    assert held == here
    assert "dredkit.dredkit.pdsc" in held


def test_cores_without_a_pack_have_no_pdsc() -> None:
    assert list(package("cortex-a53").glob("*.pdsc")) == []


def test_platformio_compiles_src_and_shows_include() -> None:
    folder = package("portable")
    table = json.loads((folder / "library.json").read_text(encoding="utf-8"))
    # docs.platformio.org, library.json: name, version and the fields of `build`.
    assert table["name"] == "dredkit"
    assert table["version"] == library_version()
    build = table["build"]
    assert (folder / build["includeDir"] / table["headers"]).is_file()
    assert (folder / build["srcDir"]).is_dir()
    assert build["flags"] == ["-I include", "-I src"]


@pytest.mark.skipif(not shutil.which("pio"), reason="PlatformIO is not installed")
def test_platformio_packs_the_folder(tmp_path: Path) -> None:
    """`pio pkg pack` refuses a manifest that breaks a rule.

    It would fetch a list of licences to check that field, so the field is left out.
    """
    shutil.copytree(package("portable"), tmp_path / "dredkit")
    manifest = tmp_path / "dredkit" / "library.json"
    table = json.loads(manifest.read_text(encoding="utf-8"))
    assert table.pop("license") == "BSD-3-Clause"
    manifest.write_text(json.dumps(table), encoding="utf-8")
    command = ["pio", "pkg", "pack", "--output", tmp_path / "dredkit.tar.gz", tmp_path / "dredkit"]
    environment = {**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path / "core")}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    with tarfile.open(tmp_path / "dredkit.tar.gz") as archive:
        held = set(archive.getnames())
    assert sources(package("portable")) <= held


def test_arduino_knows_src_alone(tmp_path: Path) -> None:
    """The Arduino IDE compiles all below src/ with src/ as the only include path."""
    folder = package("portable")
    lines = (folder / "library.properties").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines)
    required = "name version author maintainer sentence paragraph category url architectures"
    assert set(required.split()) <= values.keys()
    assert values["version"] == library_version()
    sketch = tmp_path / "sketch.cpp"
    sketch.write_text(
        f"#include <{values['includes']}>\nint loop() {{ return DK_VERSION_MAJOR; }}\n"
    )
    only = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{folder / 'src'}"]
    subprocess.run(["g++", *only, sketch], check=True)
    subprocess.run(["gcc", *only, *(folder / name for name in sources(folder))], check=True)


def test_cmake_installs_what_find_package_reads(tmp_path: Path) -> None:
    folder, build, prefix = package("portable"), tmp_path / "build", tmp_path / "prefix"
    configure = ["cmake", "-S", folder, "-B", build, "-G", "Ninja", "-DCMAKE_C_FLAGS=-O0"]
    subprocess.run(
        [*configure, f"-DCMAKE_INSTALL_PREFIX={prefix}"], check=True, capture_output=True
    )
    subprocess.run(["cmake", "--build", build], check=True, capture_output=True)
    subprocess.run(["cmake", "--install", build], check=True, capture_output=True)
    headers = {path.name for path in (prefix / "include" / "dredkit").iterdir()}
    assert headers == {path.name for path in (folder / "include" / "dredkit").iterdir()}
    assert not list(prefix.rglob("nn.h"))
    user = tmp_path / "user"
    user.mkdir()
    (user / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES C)\n"
        "find_package(dredkit 0.2 REQUIRED)\nadd_executable(user user.c)\n"
        "target_link_libraries(user PRIVATE dredkit::dredkit)\n"
    )
    (user / "user.c").write_text(
        "#include <dredkit/dredkit.h>\n"
        "int main(void) { return dk_version() == DK_VERSION ? 0 : 1; }\n"
    )
    configure = ["cmake", "-S", user, "-B", user / "build", "-G", "Ninja"]
    subprocess.run([*configure, f"-DCMAKE_PREFIX_PATH={prefix}"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", user / "build"], check=True, capture_output=True)
    subprocess.run([user / "build" / "user"], check=True)
    newer = user / "CMakeLists.txt"
    newer.write_text(newer.read_text().replace("dredkit 0.2", "dredkit 0.3"))
    refused = subprocess.run(
        [*configure, f"-DCMAKE_PREFIX_PATH={prefix}"], check=False, capture_output=True, text=True
    )
    assert "version: 0.2.0" in refused.stderr
