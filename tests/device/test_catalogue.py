# SPDX-License-Identifier: BSD-3-Clause
"""The boards of silicon: each builds, its image is as its chip reads it, wrong images are refused.

Their sources are those of the emulated boards but for the drivers, so the probe's small program is
enough here.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.probe import APP, MODEL, built
from toolkit.codegen.regions import CODE, DATA, MOST, NONE, Region, regions
from toolkit.common.errors import InputError, ToolError
from toolkit.device.build.build import build_firmware
from toolkit.device.build.image import HEADERS, check_image
from toolkit.targets.memory import Memory
from toolkit.targets.target import Target, load_target, target_names

SILICON = [
    target.name
    for target in map(load_target, target_names())
    if target.is_board and target.emulator is None
]
# Boards that only a newer QEMU has: their tests there may be skipped, but they build everywhere.
NEWER = [
    target.name
    for target in map(load_target, target_names())
    if target.emulator is not None and target.emulator.since
]
CACHED = [name for name in target_names() if regions(load_target(name))]


@pytest.mark.parametrize("name", [*SILICON, *NEWER])
def test_it_builds_and_its_chip_can_start_it(name: str) -> None:
    target = load_target(name)
    if shutil.which(f"{target.toolchain.prefix}gcc") is None:
        pytest.skip(f"{target.toolchain.prefix}gcc is not installed")
    image = built(name)  # check_image is a part of it
    assert image.stack_worst < image.stack
    assert (".boot" in image.sections) == bool(target.boot)


@pytest.mark.parametrize("name", SILICON)
def test_no_board_of_silicon_claims_more_than_is_recorded(name: str) -> None:
    assert load_target(name).verified_on == ()


def moved(target: Target, name: str, by: int) -> Target:
    """Return a board whose memory of a name begins later, as the chip of another board would."""
    memories = tuple(
        replace(memory, origin=memory.origin + by) if memory.name == name else memory
        for memory in target.memories
    )
    return replace(target, memories=memories)


def test_an_image_of_another_map_is_refused() -> None:
    board = load_target("nucleo_h743zi")
    image = built(board.name).elf
    check_image(image, board)
    with pytest.raises(ToolError, match=r"\.vectors would be written to 0x08000000, .* no flash"):
        check_image(image, moved(board, "flash", 0x10_0000))
    with pytest.raises(ToolError, match="the vector table is not where the core starts"):
        check_image(image, moved(board, "flash", -0x10_0000))
    with pytest.raises(ToolError, match="the stack is outside its memory"):
        check_image(image, moved(board, "dtcm", 0x10_0000))
    assert board.uart is not None
    with pytest.raises(ToolError, match="the UART's vector is wrong"):
        check_image(image, replace(board, uart=replace(board.uart, irq=38)))


def patched(image: Path, folder: Path, old: bytes, new: bytes) -> Path:
    """Write a copy of an image with one run of bytes replaced."""
    data = image.read_bytes()
    assert data.count(old) == 1
    assert len(old) == len(new)
    copy = folder / "patched.elf"
    copy.write_bytes(data.replace(old, new))
    return copy


def word(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("pico2", word(0xFFFFDED3), word(0xFFFFDED4), "no image definition in the first 4 kB"),
        ("pico2", word(0x10210142, 0x1FF), word(0x11210142, 0x1FF), "not of a Secure program"),
        ("mimxrt1060_evkb", b"FCFB", b"FCFC", "the flash's settings have no tag"),
        ("mimxrt1060_evkb", word(0x0A1804EB), word(0), "no command for reading"),
        ("mimxrt1060_evkb", word(0x432000D1, 0x60002000), word(0x432000D1, 0x60002004),
         "points to no vectors"),
        ("teensy41", word(0x432000D1), word(0x432000D2), "the image vector table has no header"),
    ],
)  # fmt: skip
def test_a_wrong_header_is_refused(
    tmp_path: Path, name: str, old: bytes, new: bytes, why: str
) -> None:
    with pytest.raises(ToolError, match=why):
        check_image(patched(built(name).elf, tmp_path, old, new), load_target(name))


def test_every_boot_driver_has_a_rule() -> None:
    assert {load_target(name).boot for name in target_names()} - {""} == HEADERS.keys()


@pytest.mark.parametrize(
    ("name", "why"),
    [("pico2", "no image definition"), ("raspi4b", "no start code at 0x00080000")],
)
def test_a_build_refuses_what_cannot_start(tmp_path: Path, name: str, why: str) -> None:
    """Without the boot driver's section, there is no header: the build says so and leaves none."""
    board = load_target(name)
    drivers = tuple(path for path in board.drivers if "boot_" not in path.name)
    with pytest.raises(ToolError, match=why):
        build_firmware(replace(board, drivers=drivers), MODEL, tmp_path, APP)
    assert not (tmp_path / "firmware.elf").exists()


def test_a_raspberry_pis_image_stays_where_its_firmware_leaves_room(tmp_path: Path) -> None:
    board = load_target("raspi4b")
    with pytest.raises(ToolError, match="a memory reaches into the VideoCore's RAM"):
        check_image(built(board.name).elf, moved(board, "ram", 0x3B40_0000))
    low = moved(board, "boot", -0x1000)
    with pytest.raises(ToolError, match="no start code at 0x00080000; a part would be"):
        build_firmware(low, MODEL, tmp_path, APP)


@pytest.mark.parametrize("name", CACHED)
def test_regions_cover_the_memories_and_nothing_else(name: str) -> None:
    target = load_target(name)
    found = regions(target)
    assert len(found) <= MOST
    for memory in target.memories:
        for address in (memory.origin, memory.origin + memory.length // 2, memory.end - 1):
            # Where regions overlap, the last one counts.
            kind = [r.kind for r in found if r.start <= address < r.end][-1]
            assert kind == (CODE if memory.kind == "flash" else DATA), hex(address)
    for region in found:
        if target.core == "cortex-m7":
            assert region.bytes & (region.bytes - 1) == 0
            assert region.start % region.bytes == 0
        if region.kind != NONE:
            homes = [m for m in target.memories if m.origin < region.end and region.start < m.end]
            assert sum(min(m.end, region.end) - max(m.origin, region.start) for m in homes) == (
                region.bytes
            )


def test_memories_of_odd_sizes_are_cut_or_refused() -> None:
    board = load_target("nucleo_h743zi")
    flash = Memory("flash", 0x0800_0000, 0x0018_0000, "flash", ("vectors", "text", "rodata"))
    others = board.memories[1:]
    cut = regions(replace(board, memories=(flash, *others)))
    assert Region(0x0800_0000, 0x0010_0000, CODE) in cut
    assert Region(0x0810_0000, 0x0008_0000, CODE) in cut
    with pytest.raises(InputError, match="8 regions of a power of two bytes"):
        regions(replace(board, memories=(replace(flash, length=0x001F_FFE0), *others)))
