# SPDX-License-Identifier: BSD-3-Clause
"""Building for boards and for this machine, and every way in which it can fail."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.probe import APP, BOARDS, MODEL, built
from toolkit.commands.build import command
from toolkit.common.errors import InputError, ToolError
from toolkit.common.paths import ROOT
from toolkit.device.build import build
from toolkit.targets.target import load_target

# One target of each toolchain and system; the tests build these.
PRESETS = {"m55": "mps3-an547", "a53": "virt-a53", "a7": "virt-a7", "aarch64": "host"}


def model_with(folder: Path, extra: str) -> Path:
    """Return a copy of the probe's model with one more C file."""
    copy = folder / "model"
    shutil.copytree(MODEL, copy)
    (copy / "extra.c").write_text(extra, encoding="utf-8")
    return copy


def fail(model: Path, folder: Path, name: str = "netduinoplus2") -> str:
    """Build and return the one line of the failure; no image may be left."""
    folder.mkdir(exist_ok=True)
    (folder / "firmware.elf").write_text("an older image")
    with pytest.raises(ToolError) as caught:
        build.build_firmware(load_target(name), model, folder, APP)
    assert not (folder / "firmware.elf").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", BOARDS)
def test_firmware_builds_within_its_memories(name: str) -> None:
    result = built(name)
    assert result.elf.is_file()
    # On AArch64 the vectors take 2 KB, and the translation table 4 KB plus as much for alignment.
    assert 1000 < result.flash < (8000 if load_target(name).system == "cortexm" else 16000)
    assert result.ram < result.ram_limit
    assert 150 < result.stack_worst < result.stack
    assert result.as_json()["elf"] == str(result.elf)


def test_build_id_does_not_depend_on_the_place(tmp_path: Path) -> None:
    model = tmp_path / "elsewhere"
    shutil.copytree(MODEL, model)
    again = build.build_firmware(load_target("netduinoplus2"), model, tmp_path / "b", APP)
    assert again.build_id == built("netduinoplus2").build_id


def test_another_model_has_another_build_id(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    engine = model / "engine.c"
    engine.write_text(engine.read_text(encoding="utf-8").replace("0x70,", "0x71,"))
    other = build.build_firmware(load_target("netduinoplus2"), model, tmp_path / "b", APP)
    assert other.build_id != built("netduinoplus2").build_id


def test_a_compile_error_is_its_own_first_line(tmp_path: Path) -> None:
    model = model_with(tmp_path, "int broken(void);\nint broken(void) { return missing; }\n")
    line = fail(model, tmp_path / "b")
    assert "extra.c:2" in line
    assert "'missing' undeclared" in line
    assert str(tmp_path / "b" / "cmake.log") in line


def test_a_warning_is_an_error(tmp_path: Path) -> None:
    code = "#include <stdint.h>\nint8_t cut(int x);\nint8_t cut(int x) { return x; }\n"
    assert "may change value [-Werror=conversion]" in fail(
        model_with(tmp_path, code), tmp_path / "b"
    )


def test_an_image_larger_than_the_flash_is_refused(tmp_path: Path) -> None:
    code = '__attribute__((used, section(".text.big"))) const char big[1 << 20] = {1};\n'
    keep = "extern const char big[]; const char *volatile keep_big = big;\n"
    model = model_with(tmp_path, keep + code)
    app = tmp_path / "app"
    shutil.copytree(APP, app)
    probe = app / "probe.c"
    text = probe.read_text(encoding="utf-8").replace(
        "int main(void)\n{",
        "extern const char *volatile keep_big;\nint main(void)\n{\n    (void)*keep_big;",
    )
    probe.write_text(text, encoding="utf-8")
    with pytest.raises(ToolError, match=r"ld: region `flash' overflowed by \d+ bytes"):
        build.build_firmware(load_target("netduinoplus2"), model, tmp_path / "b", app)


def test_float_and_heap_are_refused(tmp_path: Path) -> None:
    engine = (MODEL / "engine.c").read_text(encoding="utf-8")
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    (model / "engine.c").write_text(
        engine.replace("(uint8_t)~input[i]", "(uint8_t)((float)input[i] * 1.5f)"), encoding="utf-8"
    )
    assert "the firmware must not use __aeabi" in fail(model, tmp_path / "m55", "mps3-an547")
    (model / "engine.c").write_text(
        "#include <stdlib.h>\n"
        + engine.replace("(uint8_t)~input[i]", "(uint8_t)(size_t)malloc(input[i])"),
        encoding="utf-8",
    )
    line = fail(model, tmp_path / "m4")
    assert "malloc" in line or "_sbrk" in line


def test_missing_tools_name_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    for program, package in (
        ("cmake", "cmake"),
        ("ninja", "ninja-build"),
        ("arm-none-eabi-gcc", "gcc-arm-none-eabi"),
    ):
        line = fail(MODEL, tmp_path / "b")
        assert line == f"{program} is missing: apt-get install {package}"
        (tools / program).symlink_to("/bin/true")


def test_no_generated_code_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no generated C; run `dredkit generate` first"):
        build.build_firmware(load_target("mps3-an547"), tmp_path, tmp_path)
    with pytest.raises(InputError, match="host is no board"):
        build.build_firmware(load_target("host"), MODEL, tmp_path)


def test_host_library_steps(tmp_path: Path) -> None:
    library = ctypes.CDLL(str(build.build_host_library(MODEL, tmp_path)))
    engine = (ctypes.c_void_p * 8).in_dll(library, "dk_app_engine")
    assert ctypes.string_at(engine[0]) == b"probe"


def test_sanitized_library_catches_an_overrun(tmp_path: Path) -> None:
    code = "int peek(int i);\nint peek(int i)\n{\n    int a[4] = {0};\n    return a[i];\n}\n"
    library = build.build_host_library(model_with(tmp_path, code), tmp_path / "b", sanitize=True)
    assert library.parent.name == "asan"
    call = f"import ctypes; ctypes.CDLL({str(library)!r}).peek({{}}); print('went through')"
    environment = {**os.environ, **build.sanitizer_environment()}
    for index, goes in ((3, True), (4, False)):
        done = subprocess.run(
            [sys.executable, "-c", call.format(index)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ("went through" in done.stdout) is goes, done.stderr
        assert ("index 4 out of bounds" in done.stderr) is not goes


def test_a_moved_checkout_is_built_anew(tmp_path: Path) -> None:
    tree = tmp_path / "cmake"
    tree.mkdir()
    (tree / "CMakeCache.txt").write_text("CMAKE_HOME_DIRECTORY:INTERNAL=/elsewhere\n")
    assert build.build_host_library(MODEL, tmp_path).is_file()


def test_presets_name_known_targets_and_toolchains() -> None:
    presets = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))
    named = {preset["name"]: preset for preset in presets["configurePresets"]}
    assert {"host", "host-asan", "m55", "m4", "m7", "a53", "aarch64"} <= named.keys()
    for preset in named.values():
        target = preset.get("cacheVariables", {}).get("DREDKIT_TARGET")
        if target:
            load_target(target)
        toolchain = preset.get("toolchainFile", "").replace("${sourceDir}", str(ROOT))
        assert not toolchain or Path(toolchain).is_file()


def test_presets_build(tmp_path: Path) -> None:
    for preset, name in PRESETS.items():
        target = load_target(name)
        board = build.write_board_files(target, tmp_path / name)
        folder = tmp_path / preset
        subprocess.run(
            ["cmake", "--preset", preset, "-B", str(folder), f"-DDREDKIT_BOARD={board}",
             f"-DDREDKIT_GENERATED={MODEL}", f"-DDREDKIT_APP={APP}", "-DDREDKIT_SERVER=OFF"],
            cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        subprocess.run(["cmake", "--build", str(folder), "-j2"], check=True, capture_output=True)
    for board in ("m55", "a53", "a7"):
        assert (tmp_path / board / "firmware.elf").is_file()
    assert (tmp_path / "aarch64" / "libdredkit_host.so").is_file()


def test_the_command_needs_a_known_target() -> None:
    result = CliRunner().invoke(command, ["--target", "nope"])
    assert isinstance(result.exception, InputError)
    assert "unknown target 'nope'" in str(result.exception)


def test_a_ring_too_small_for_the_window_is_refused(tmp_path: Path) -> None:
    target = load_target("netduinoplus2")
    assert target.uart is not None
    small = replace(target, uart=replace(target.uart, ring_bytes=128))
    with pytest.raises(ToolError, match=r"ring_bytes is less than the host may have under way"):
        build.build_firmware(small, MODEL, tmp_path, APP)
