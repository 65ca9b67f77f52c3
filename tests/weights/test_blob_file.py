# SPDX-License-Identifier: BSD-3-Clause
"""The weights blob: the file as it is written, and what opening it refuses."""

import struct
from dataclasses import replace

import numpy as np
import pytest

from quantize.errors import InputError
from quantize.nn.run import run_integer
from tests.support.small_models import small_model
from tests.support.weights_library import (
    ALIGNMENT,
    BlobLibrary,
    edited,
    models,
    shared_library,
    small_parts,
)
from toolkit.codegen.blob.parts import ISAS, Kind, Section
from toolkit.codegen.blob.read import read_blob
from toolkit.codegen.blob.write import ENTRY, HEADER, SUM, summed, write_blob
from toolkit.codegen.packing.pack import pack_network
from toolkit.common.wire import Status


def header(blob: bytes, at: int, value: bytes) -> bytes:
    """Return the blob with other bytes at `at` and a right checksum."""
    return summed(blob[:at] + value + blob[at + len(value) : -SUM.size])


@pytest.fixture(scope="module")
def library() -> BlobLibrary:
    return shared_library("c")


def test_a_blob_is_read_as_written() -> None:
    parts = small_parts()
    blob = write_blob(parts)
    found = read_blob(blob)
    assert (found.isa, found.topology) == ("c", parts.topology())
    assert found.model.hex() == parts.hash
    assert found.sections == parts.sections()
    owners = [section.owner for section in found.sections]
    assert owners == sorted(owners)
    for number in range(len(owners)):
        _, _, offset, _ = ENTRY.unpack_from(blob, HEADER.size + number * ENTRY.size)
        assert offset % ALIGNMENT == 0


def test_a_blob_has_the_values_of_the_model() -> None:
    parts = small_parts()
    first = models()[0].matrices["first"]
    weights = next(s for s in parts.sections() if s.kind is Kind.WEIGHTS)
    assert weights.data == first.weights.astype("<i2").tobytes()
    assert parts.tables is not None
    assert parts.sections()[0] == Section(0, Kind.TABLE, parts.tables.to_bytes())


def test_the_reader_refuses() -> None:
    blob = write_blob(small_parts())
    for data, told in (
        (b"DKW", "not a weights blob"),
        (bytes(200), "not a weights blob"),
        (blob[:-1], "it is cut"),
        (blob[:-4] + bytes(4), "checksum"),
        (header(blob, 4, b"\2"), "of format 2, not 1"),
        (header(blob, 6, b"\5"), "unknown ISA"),
        (header(blob, 98, b"\7"), "section 0 is not inside the blob, or unknown"),
    ):
        with pytest.raises(InputError, match=f"x.dkw: .*{told}"):
            read_blob(data, "x.dkw")


def test_the_structure_does_not_depend_on_values() -> None:
    """Other weights and other kept blocks fit the same code; another size or format does not."""
    parts = small_parts()
    other = replace(parts, networks=(pack_network(small_model(seed=9), "c"), *parts.networks[1:]))
    assert other.topology() == parts.topology()
    assert write_blob(other) != write_blob(parts)
    finer = small_model(peak=1.0)
    assert finer.frac != models()[0].frac
    finer_parts = replace(parts, networks=(pack_network(finer, "c"), *parts.networks[1:]))
    fewer = replace(parts, networks=parts.networks[1:])
    silent = replace(parts, voice=None)
    assert len({p.topology() for p in (parts, finer_parts, fewer, silent)}) == 4


def test_networks_run_from_a_blob(library: BlobLibrary) -> None:
    """The image has no tables: every bit comes from the blob."""
    inputs = np.random.default_rng(1).integers(-32768, 32768, (9, 12))
    for seed in (1, 9):
        model = small_model(seed=seed)
        networks = (pack_network(model, "c"), *library.parts.networks[1:])
        assert library.open(write_blob(replace(library.parts, networks=networks))) == Status.OK
        a, b = library.run(list(inputs))
        want = run_integer(model, inputs)
        assert np.array_equal(a, want["out"])
        assert np.array_equal(b, want["aside"])


def test_a_blob_may_lie_in_more_memory(library: BlobLibrary) -> None:
    blob = library.blob
    assert library.open(blob + bytes(100)) == Status.OK
    assert library.open(blob, size=len(blob) - 1) == Status.BLOB_SIZE


HEADERS = {
    "magic": (0, b"DKWC", Status.BLOB_FORMAT),
    "version": (4, struct.pack("<H", 2), Status.BLOB_FORMAT),
    "reserved": (95, b"\1", Status.BLOB_FORMAT),
    "isa": (6, struct.pack("<H", 2), Status.BLOB_TARGET),
    "no size": (8, struct.pack("<I", 0), Status.BLOB_SIZE),
    "large size": (8, struct.pack("<I", 0xFFFFFFFF), Status.BLOB_SIZE),
    "sections": (12, struct.pack("<I", 0xFFFFFFFF), Status.BLOB_SECTION),
    "no sections": (12, struct.pack("<I", 0), Status.BLOB_SECTION),
    "fewer sections": (12, struct.pack("<I", 3), Status.BLOB_SECTION),
    "topology": (16, bytes(32), Status.BLOB_TOPOLOGY),
    "owner": (96, struct.pack("<H", 1), Status.BLOB_SECTION),
    "kind": (98, struct.pack("<H", 3), Status.BLOB_SECTION),
    "offset in the list": (100, struct.pack("<I", 96), Status.BLOB_SECTION),
    "offset beyond": (100, struct.pack("<I", 0xFFFFFFF0), Status.BLOB_SECTION),
    "length beyond": (104, struct.pack("<I", 0xFFFFFFFF), Status.BLOB_SECTION),
    "length": (104, struct.pack("<I", 4799), Status.BLOB_SECTION),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_wrong_header_is_refused(library: BlobLibrary, case: str) -> None:
    at, value, status = HEADERS[case]
    assert library.open(library.blob) == Status.OK
    assert library.open(header(library.blob, at, value)) == status
    assert library.lib.is_zero()


def test_the_model_hash_is_only_told(library: BlobLibrary) -> None:
    assert library.open(header(library.blob, 48, bytes(32))) == Status.OK


def test_damage_is_found(library: BlobLibrary) -> None:
    """Every bit counts: of the header, the list, the tables and the padding between them."""
    blob = bytearray(library.blob)
    rng = np.random.default_rng(2)
    for at in (16, 90, 97, *rng.integers(100, len(blob), 40)):
        bit = 1 << int(rng.integers(8))
        blob[at] ^= bit
        assert library.open(bytes(blob)) < 0
        blob[at] ^= bit
    assert library.open(bytes(blob)) == Status.OK


def test_a_cut_blob_is_refused(library: BlobLibrary) -> None:
    blob = library.blob
    for size in (0, 1, 95, 99, 100, 500, len(blob) - 4):
        assert library.open(blob[:size]) == Status.BLOB_SIZE
    assert library.open(blob, skew=8) == Status.BLOB_ALIGNMENT
    assert library.open(blob, skew=1) == Status.BLOB_ALIGNMENT
    assert library.lib.open_blob(library._ffi.NULL, 100) == Status.ARGUMENT


def test_sections_must_be_those_of_the_code(library: BlobLibrary) -> None:
    def swapped(sections: list[Section]) -> None:
        sections[1], sections[2] = sections[2], sections[1]

    def one_more(sections: list[Section]) -> None:
        sections.append(Section(sections[-1].owner + 1, Kind.TABLE, b""))

    def doubled(sections: list[Section]) -> None:
        sections.insert(1, sections[0])

    for edit in (swapped, one_more, doubled, lambda sections: sections.pop(4)):
        assert library.open(edited(library.blob, edit)) == Status.BLOB_SECTION
        assert library.lib.is_zero()


@pytest.mark.parametrize("isa", ISAS)
def test_every_packing_is_taken(isa: str) -> None:
    """The blob of an ISA opens where the code is for that ISA, and nowhere else."""
    parts = small_parts(isa)
    library = shared_library(isa)
    assert library.open(library.blob) == Status.OK
    packed = [m for n in parts.networks for m in n.matrices.values() if not m.is_plain]
    assert bool(packed) == (isa != "c")
    assert {m.matrix.blocks is None for m in packed} == ({True, False} if packed else set())
    other = ISAS[(ISAS.index(isa) + 1) % len(ISAS)]
    assert library.open(write_blob(small_parts(other))) == Status.BLOB_TARGET
