# SPDX-License-Identifier: BSD-3-Clause
"""The tables of a call's cost: they count what ran, and say from what each 20 ms was played."""

import json
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from scripts.call_costs import (
    BEGIN,
    END,
    RESULTS,
    SMALL,
    codec_facts,
    flash_of,
    measured,
    package,
    played,
)
from tests.support.examples import PACKETS, opus, program, programs, speech, write_pcm
from toolkit.call.bitfile import Record
from toolkit.common.errors import BoardError, InputError
from toolkit.measure.codec import FILE, codec_cost
from toolkit.measure.cycles.counter import call_marks
from toolkit.measure.examples import (
    CORES,
    HOST,
    Cost,
    Options,
    build_examples,
    costs_of,
    run_example,
)

BOARD = "mps2-an386"
RAM_FROM = 0x20000000  # in its address space and the STM32F405's
LBRR, PLAIN = Record(b"\x48\x40\x00"), Record(b"\x48\x80\x00")
MAP = """\
 .text          0x00000000       0x40 opus/libopus.a(discarded.c.obj)

Linker script and memory map

 .text.a        0x00000100       0x10 opus/libopus.a(a.c.obj)
 .text.a_long_name
                0x00000110       0x20 opus/libopus.a(a.c.obj)
 .rodata        0x00000200        0x8 opus/libopus.a(b.c.obj)
 .text.d        0x00000300        0x4 dredkit/libdredkit.a(d.c.obj)
 .bss           0x20000000      0x100 opus/libopus.a(b.c.obj)
"""


def test_what_20_ms_are_played_from() -> None:
    gone = Record(b"")
    records = [PLAIN, gone, LBRR, gone, PLAIN, gone, gone, LBRR, gone]
    assert played(records) == [
        *("received", "recovered", "received", "lost", "received"),
        *("lost", "recovered", "received", "lost"),
    ]


def test_flash_of_an_archive() -> None:
    assert flash_of(MAP, "libopus.a") == 0x38
    assert flash_of(MAP, "libdredkit.a") == 4


def test_the_codecs_share_is_that_of_the_tables() -> None:
    """The page's file follows from docs/RESULTS.md: `scripts.call_costs --from-results`."""
    text = RESULTS.read_text(encoding="utf-8")
    facts = codec_facts(text.partition(BEGIN)[2].partition(END)[0])
    assert FILE.read_text(encoding="utf-8") == json.dumps(facts, indent=1) + "\n"
    assert set(facts["cores"]) == set(CORES.values())
    for core, told in facts["cores"].items():
        cost = codec_cost(core)
        assert cost is not None
        line = next(row for row in text.splitlines() if f"| {cost.flash:,} |" in row)
        assert f"| our own | -O2 | {cost.flash:,} |" in line
        assert f"| our own | -O2 | 5 | {cost.encode[5]:,} |" in text
        assert f"| our own | -O2 | {cost.decode:,} |" in text
        assert (cost.ram, cost.stack) == (told["ram"], told["stack"])
    assert codec_cost("cortex-a53") is None


def test_costs_are_read_from_what_the_example_prints() -> None:
    printed = "call  calls  mean  most ns\nopus_decode, LBRR   2   30   40\nstack, most 12 bytes\n"
    assert costs_of(printed) == {"opus_decode, LBRR": Cost(2, 30, 40)}


def test_blocks_add_up_to_the_timers_instructions(tmp_path: Path) -> None:
    program(BOARD, "call")
    write_pcm(tmp_path / "speech.pcm", speech())
    run = measured(BOARD, programs(BOARD), tmp_path)
    sent = run.costs["20 ms sent"]
    assert len(run.sent) == sent.calls == PACKETS
    assert len(run.received) == run.costs["20 ms received"].calls
    assert len(run.lost) == run.costs["20 ms received, lost"].calls
    # An M4 takes 1 to 2 cycles an instruction.
    assert sent.mean < sum(run.sent) / PACKETS < 2 * sent.mean
    assert 150_000 < run.flash["libopus.a"] < 250_000 < run.flash["libdredkit.a"]
    assert 16_000 < run.numbers["stack, most"] < 65_536


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the example `call` with the sparse weights, compiled for size."""
    program(BOARD, "call")
    source = opus()
    assert isinstance(source, Path)
    folder = tmp_path_factory.mktemp("small")
    made, _ = package(CORES[BOARD], SMALL, folder)
    return build_examples(BOARD, made, folder / "build", Options(source, small=True)) / "call"


def test_a_whole_call_with_sparse_weights_fits_an_stm32f405(small: Path) -> None:
    with small.open("rb") as file:
        parts = [part for part in ELFFile(file).iter_segments() if part["p_type"] == "PT_LOAD"]
        flash = sum(part["p_filesz"] for part in parts)
        ram = sum(part["p_memsz"] for part in parts if part["p_vaddr"] >= RAM_FROM)
    assert 900_000 < flash <= 1 << 20
    assert 64_000 < ram <= (128 << 10) - 24_000  # the stack's depth is in docs/RESULTS.md


def test_no_20_ms_of_that_call_cost_much_more_than_those_that_speak(
    small: Path, tmp_path: Path
) -> None:
    """One chunk of redundancy and the start of a voice are all that may come on top."""
    write_pcm(tmp_path / "speech.pcm", speech())
    costs = costs_of(run_example(BOARD, small, tmp_path))
    spoken = costs["20 ms received, lost"].mean
    assert 1_500_000 < spoken < 1_900_000
    for name in ("20 ms received", "20 ms received, LBRR", "20 ms received, lost"):
        assert costs[name].most < 1.3 * spoken, name
        assert costs[name].most < 2_300_000, name
    assert costs["dk_receiver_lost"].most < 1_750_000


def test_functions_that_an_image_lacks() -> None:
    with pytest.raises(InputError, match="has no function no_such"):
        call_marks(program(next(iter(CORES)), "sender"), "main", "no_such")


def test_an_example_without_its_input_fails(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="sender on this machine: exit status 1"):
        run_example(HOST, program(HOST, "sender"), tmp_path)
