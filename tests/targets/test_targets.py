# SPDX-License-Identifier: BSD-3-Clause
"""Target files: the shipped ones load, and a wrong one is named."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from toolkit.codegen.board import board_cmake, board_header, linker_script, write_board
from toolkit.commands.targets import command
from toolkit.common.errors import InputError
from toolkit.targets.target import TARGETS, load_target, read_target, target_names

GOOD = (TARGETS / "netduinoplus2.toml").read_text(encoding="utf-8")


def test_every_shipped_target_loads() -> None:
    assert {"host", "mps2-an500", "mps2-an505", "mps3-an547", "netduinoplus2", "virt-a53"} <= set(
        target_names()
    )
    for name in target_names():
        target = load_target(name)
        assert target.name == name
        assert target.clock_hz > 0
        assert target.clock_source


def test_the_stm32_is_kept_to_its_own_memories() -> None:
    target = load_target("netduinoplus2")
    assert target.size_of("flash") == 1 << 20
    assert target.size_of("ram") == 128 << 10
    assert target.clock_hz == 168_000_000


def test_ticks_become_instructions() -> None:
    m55, m4 = load_target("mps3-an547"), load_target("netduinoplus2")
    assert m55.unit == m4.unit == "instructions"
    # 1000 instructions last 32768 ticks, within the one tick that the counter rounds away.
    assert {m55.count(ticks) for ticks in (32767, 32768, 32769)} == {1000}
    assert m4.count(1234) == 1234
    assert load_target("host").unit == "nanoseconds"
    # On the real chip TIM2 runs at half the core's clock.
    assert m4.on_hardware().unit == "cycles"
    assert m4.on_hardware().count(1234) == 2468
    # The core counts cycles itself.
    assert m4.counting_cycles().unit == "cycles"
    assert m4.counting_cycles().count(1234) == 1234
    assert m4.counting_cycles().count_error(300) == 0


def test_interrupts_make_a_count_uncertain() -> None:
    m55, m4 = load_target("mps3-an547"), load_target("netduinoplus2")
    assert [m55.count_error(interrupts) for interrupts in (0, 7, 8, 300)] == [0, 0, 1, 18]
    assert m4.count_error(300) == 0
    # TIM2 ticks every other cycle on the real chip.
    assert m4.on_hardware().count_error(0) == 4


def test_unknown_target_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"unknown target 'z80'; known targets: .*mps3-an547"):
        load_target("z80")


@pytest.mark.parametrize(
    ("old", "new", "key", "why"),
    [
        ('core = "cortex-m4"', "", "core", "missing"),
        ('core = "cortex-m4"', "core = 4", "core", "must be a string"),
        ('core = "cortex-m4"', 'core = ""', "core", "must not be empty"),
        ('core = "cortex-m4"', 'core = "cortex-m4"\ncores = 2', "cores", "unknown key"),
        ('isa = "simd32"', 'isa = "sse"', "isa", "must be one of"),
        ("clock_hz = 168_000_000", "clock_hz = 0", "clock_hz", "outside"),
        ("clock_hz = 168_000_000", "clock_hz = 999_999", "clock_hz", "outside 1000000 to"),
        ("clock_hz = 168_000_000", "clock_hz = 10_000_000_001", "clock_hz", "outside 1000000 to"),
        ("[toolchain]", "[product]\nclock_hz = 1\n[toolchain]", "product.clock_hz", "outside"),
        ("[toolchain]", "[product]\nclock_hz = 9_000_000\n[toolchain]", "product.source", "miss"),
        ("clock_hz = 168_000_000", "clock_hz = true", "clock_hz", "must be an integer"),
        ("stack_bytes = 8192", "stack_bytes = 8190", "stack_bytes", "multiple of 16"),
        ("stack_bytes = 8192", "stack_bytes = 1048576", "stack_bytes", "multiple of 16 up to"),
        ("irq = 37", 'irq = "37"', "uart.irq", "must be an integer"),
        ("irq = 37", "irq = 37\nparity = 1", "uart.parity", "unknown key"),
        ("ring_bytes = 4096", "ring_bytes = 2000", "uart.ring_bytes", "power of two"),
        ("ticks_per_unit = 1.0", "ticks_per_unit = -1", "emulator.ticks_per_unit", "positive"),
        ("icount_shift = 0", "icount_shift = 11", "emulator.icount_shift", "outside"),
        ('kind = "ram"', 'kind = "rom"', "memory[1].kind", "must be one of"),
        ("origin = 0x2000_0000", "origin = 0x080F_0000", "memory", "overlap"),
        ("origin = 0x2000_0000", "origin = 0xFFFF_0000", "memory", "beyond 4 GB"),
        ('"data", "bss"', '"data"', "memory", "section 'bss' must be in exactly one, is in 0"),
        ('"data", "bss"', '"data", "text"', "memory[1].sections", "'text' is not one of"),
        ('name = "sram"', 'name = "flash"', "memory", "the same name"),
        ("[uart]", "[[uart]]", "uart", "must be a table"),
        ('args = []', "args = [1]", "emulator.args", "must be a list of strings"),
        ("st-util = []", "bdi = []", "flash.probes.bdi", "unknown key"),
        ('method = "gdb"', 'method = "jtag"', "flash.method", "must be one of"),
        ("irq = 37", f"irq = 0x{'f' * 9000}", "uart.irq", "an integer of 36000 bits is outside"),
        ("irq = 37", "irq = inf", "uart.irq", "must be an integer, not inf"),
        ("ticks_per_unit = 1.0", f"ticks_per_unit = 0x{'f' * 400}", "emulator.ticks_per_unit",
         "must be positive, not an integer of 1600 bits"),
        ("ticks_per_unit = 1.0", "ticks_per_unit = nan", "emulator.ticks_per_unit", "positive"),
        ('core = "cortex-m4"', 'core = "a\\nb"', "core", "one line of text, not 'a\\nb'"),
        ('core = "cortex-m4"', 'core = [[[]]]', "core", "must be a string, not a list of 1"),
        ('core = "cortex-m4"', 'core = "m4"\n"a\\nb" = 1', "a\\nb", "unknown key"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_file_and_key(
    tmp_path: Path, old: str, new: str, key: str, why: str
) -> None:
    path = tmp_path / "bad.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_target(path)
    line = str(caught.value)
    assert re.fullmatch(rf"{re.escape(str(path))}: {re.escape(key)}: .*{re.escape(why)}.*", line)


@pytest.mark.parametrize(
    "text", ["[", "a = 1\na = 2", "\x00", f"a = {'1' * 9000}", f"a = {'[' * 9000}"]
)
def test_not_toml_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.toml: not TOML: [^\n]+$"):
        read_target(path)
    path.write_bytes(b'description = "\xff"')
    with pytest.raises(InputError, match=r"bad\.toml: not TOML"):
        read_target(path)
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        read_target(tmp_path / "none.toml")


def test_board_files_follow_the_toml(tmp_path: Path) -> None:
    target = load_target("netduinoplus2")
    header = board_header(target)
    assert "#define DK_BOARD_UART_BASE 0x40011000u" in header
    assert "#define DK_BOARD_UART_IRQ 37u" in header
    assert "#define DK_BOARD_UART_RING_BYTES 4096u" in header
    script = linker_script(target)
    assert "flash (rx) : ORIGIN = 0x08000000, LENGTH = 0x100000" in script
    assert "@" not in script
    assert f". += {target.stack_bytes};" in script
    assert 'set(DREDKIT_CPU_FLAGS "-mthumb;-mcpu=cortex-m4;' in board_cmake(target)
    write_board(target, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_board(target, tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {path.name for path in before} == {"board.cmake", "board.h", "link.ld"}


def test_a_64_bit_board_has_its_interrupt_controller(tmp_path: Path) -> None:
    header = board_header(load_target("virt-a53"))
    assert "#define DK_BOARD_GIC_DISTRIBUTOR 0x08000000u" in header
    assert "#define DK_BOARD_GIC_CPU 0x08010000u" in header
    assert "GIC" not in board_header(load_target("netduinoplus2"))
    path = tmp_path / "bad.toml"
    path.write_text((TARGETS / "virt-a53.toml").read_text(encoding="utf-8").replace("cpu = ", "c="))
    with pytest.raises(InputError, match=r"bad\.toml: gic\.cpu: missing"):
        read_target(path)


def test_sections_go_to_their_memories() -> None:
    script = linker_script(load_target("mps3-an547"))
    homes = dict(re.findall(r"\n    \.(\w+) [^}]*?\n    \} > (\w+)", script, re.DOTALL))
    assert homes == {
        "vectors": "itcm", "text": "itcm", "rodata": "sram",
        "stack": "dtcm", "data": "dtcm", "bss": "dtcm", "in_dtcm": "dtcm",
    }  # fmt: skip


def test_the_command_lists_every_target_as_json() -> None:
    result = CliRunner().invoke(command, ["--json", "-"])
    assert result.exit_code == 0
    for name in target_names():
        assert f'"name": "{name}"' in result.stdout
