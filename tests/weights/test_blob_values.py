# SPDX-License-Identifier: BSD-3-Clause
"""Blobs with a right checksum and a wrong value: each value that kernels rely on is checked."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.weights_library import BlobLibrary, edited, shared_library
from toolkit.codegen.blob.parts import ISAS, Kind, Parts, Section
from toolkit.common.wire import Status

INT32_MAX = 2**31 - 1
Values = np.ndarray[Any, np.dtype[Any]]
Change = Callable[[Values], Values]
_TYPES: dict[Kind, Any] = {
    Kind.WEIGHTS: np.uint8,
    Kind.INDEX: np.uint8,
    Kind.BIAS: np.dtype("<i4"),
    Kind.MULTIPLIER: np.dtype("<i2"),
    Kind.SHIFT: np.uint8,
}


def owner(parts: Parts, network: str, matrix: str) -> int:
    """Return the number of a matrix; the entropy tables have number 0."""
    names = [(n.model.graph.name, name) for n in parts.networks for name in n.matrices]
    return 1 + names.index((network, matrix))


def voice_owner(parts: Parts, place: int) -> int:
    """Return the number of LPCNet's matrix or table at a place: 0 .. 4 are matrices."""
    return 1 + sum(len(n.matrices) for n in parts.networks) + place


def changed(library: BlobLibrary, number: int, kind: Kind, change: Change, to: Any = None) -> int:
    """Open the blob after a change to one section; return the status."""

    def edit(sections: list[Section]) -> None:
        at = next(i for i, s in enumerate(sections) if (s.owner, s.kind) == (number, kind))
        values = np.frombuffer(sections[at].data, np.dtype(to or _TYPES[kind])).copy()
        sections[at] = Section(number, kind, change(values).tobytes())

    return library.open(edited(library.blob, edit))


def put(place: int, value: int) -> Change:
    """Return the change that puts a value at a place."""

    def change(values: Values) -> Values:
        values[place] = value
        return values

    return change


def same(values: Values) -> Values:
    return values


def fill(value: int) -> Change:
    return lambda values: np.full_like(values, value)


PLAIN = {
    "shift of 0": (Kind.SHIFT, put(3, 0)),
    "shift of 47": (Kind.SHIFT, put(3, 47)),
    "shift of 255": (Kind.SHIFT, fill(255)),
    "small shifts": (Kind.SHIFT, fill(1)),
    "small multiplier": (Kind.MULTIPLIER, put(0, 16383)),
    "negative multiplier": (Kind.MULTIPLIER, put(0, -16384)),
    "largest bias": (Kind.BIAS, put(1, INT32_MAX)),
    "lowest bias": (Kind.BIAS, put(1, -INT32_MAX - 1)),
    "fewer biases": (Kind.BIAS, lambda values: values[:-1]),
    "more weights": (Kind.WEIGHTS, lambda values: np.append(values, values[:8])),
    "fewer weights": (Kind.WEIGHTS, lambda values: values[:-1]),
}


@pytest.mark.parametrize("matrix", ["first", "gru1_input", "gru1_recurrent"])
@pytest.mark.parametrize("case", PLAIN)
def test_plain_tables(matrix: str, case: str) -> None:
    """Wide, dense and sparse tables: every row is checked."""
    library = shared_library("c")
    number = owner(library.parts, "small", matrix)
    kind, change = PLAIN[case]
    assert changed(library, number, kind, same) == Status.OK
    status = changed(library, number, kind, change)
    assert status in (Status.BLOB_VALUE, Status.BLOB_SECTION)
    assert (status == Status.BLOB_SECTION) <= ("fewer" in case or "more" in case)
    assert library.lib.is_zero()


def test_an_accumulator_must_fit() -> None:
    """The largest bias that fits is taken, one more is not; the same for int16 weights."""
    library = shared_library("c")
    network = library.parts.networks[0]
    for name, peak in (("first", 32768), ("gru1_input", 127)):
        m = network.matrices[name].matrix
        number = owner(library.parts, "small", name)
        row = int(np.argmax(m.shift >= 17))
        room = INT32_MAX - int(np.abs(m.weights[row].astype(np.int64)).sum()) * peak
        for bias, status in ((room, Status.OK), (-room, Status.OK), (room + 1, Status.BLOB_VALUE)):
            assert changed(library, number, Kind.BIAS, put(row, bias)) == status
    wide = owner(library.parts, "small", "first")
    assert changed(library, wide, Kind.WEIGHTS, fill(32767), "<i2") == Status.BLOB_VALUE


# Changes to any index that can fit no stream and no inputs.
INDEX = {
    "255 blocks": put(0, 255),
    "254s": fill(254),
    "cut": lambda values: values[:-1],
    "longer": lambda values: np.append(values, values[:1]),
    "empty": lambda values: values[:0],
}


@pytest.mark.parametrize("isa", ISAS)
def test_an_index_must_stay_inside(isa: str) -> None:
    library = shared_library(isa)
    parts = library.parts
    matrices = [
        (owner(parts, n.model.graph.name, name), m.tables["index"])
        for n in parts.networks
        for name, m in n.matrices.items()
        if "index" in m.tables
    ]
    stored = [s for s in parts.sections() if s.kind is Kind.INDEX]
    voices = [s for s in stored if s.owner >= voice_owner(parts, 0)]
    assert matrices
    assert len(voices) == (0 if isa == "simd32" else 5)
    for number in [n for n, _ in matrices] + [s.owner for s in voices]:
        for case, change in INDEX.items():
            status = changed(library, number, Kind.INDEX, change)
            assert status == Status.BLOB_VALUE, (number, case)
    if isa != "dotprod":  # its index has no columns
        for number, index in matrices:
            if index[0] > 0:
                assert changed(library, number, Kind.INDEX, put(1, 200)) == Status.BLOB_VALUE


def test_dot_products_have_offsets_inside() -> None:
    """A pair of blocks says at which bytes its inputs are, behind 8 biases."""
    library = shared_library("dotprod")
    number = owner(library.parts, "small", "gru1_recurrent")
    index = library.parts.networks[0].matrices["gru1_recurrent"].tables["index"]
    assert index[0] > 0
    for offset in (8, 2, 1 << 20, -4, -(2**31)):
        for place in (8, 9):
            change = put(place, offset)
            assert changed(library, number, Kind.WEIGHTS, change, "<i4") == Status.BLOB_VALUE
    assert changed(library, number, Kind.WEIGHTS, put(8, 4), "<i4") == Status.OK


@pytest.mark.parametrize("isa", [isa for isa in ISAS if isa != "c"])
def test_packed_streams(isa: str) -> None:
    """A stream has its index' length; its factors are not negative, and its sums fit."""
    library = shared_library(isa)
    for network in library.parts.networks:
        for name, m in network.matrices.items():
            if m.is_plain:
                continue
            number = owner(library.parts, network.model.graph.name, name)
            words = len(m.tables["weights"])
            for change in (
                lambda values: values[:-1],
                lambda values: np.append(values, values[:1]),
                lambda values: values[:0],
                put(words - 1, -1),  # the last factor
                fill(INT32_MAX),
            ):
                status = changed(library, number, Kind.WEIGHTS, change, "<i4")
                assert status == Status.BLOB_VALUE, (name, change)


VOICE = {
    "bias of A": (5, "<i4", put(0, INT32_MAX), put(0, 1 << 30)),
    "bias of B": (6, "<i4", put(-1, -INT32_MAX - 1), put(-1, -(1 << 30))),
    "scale of codes": (9, "<i2", put(0, -32768), put(0, -32767)),
    "weights of the tree": (10, "<i2", fill(32767), put(0, 32767)),
    "bias of the tree": (11, "<i4", put(-1, -INT32_MAX - 1), put(-1, 5)),
    "scale of the tree": (12, "<i2", put(3, -32768), put(3, -32767)),
}


@pytest.mark.parametrize("case", VOICE)
def test_tables_of_a_voice(case: str) -> None:
    library = shared_library("c")
    place, kind, wrong, right = VOICE[case]
    number = voice_owner(library.parts, place)
    assert changed(library, number, Kind.TABLE, wrong, kind) == Status.BLOB_VALUE
    assert changed(library, number, Kind.TABLE, right, kind) == Status.OK


def test_words_of_a_voice_on_simd32() -> None:
    """Its stream has words of offsets: it must begin, go on and end as the kernel expects."""
    library = shared_library("simd32")
    for place in range(5):
        number = voice_owner(library.parts, place)
        for change in (
            put(1, 0),  # no mark of the first word
            put(1, 0x0010),
            put(-1, 0),  # no end
            put(-3, -32768),  # an end too soon, or a weight beyond int8
            fill(-1),
            lambda values: values[:-2],
            lambda values: values[:0],
            lambda values: np.append(values, values[-2:]),
            put(3, 128),  # a weight beyond int8
        ):
            status = changed(library, number, Kind.WEIGHTS, change, "<i2")
            assert status == Status.BLOB_VALUE, (place, change)


def test_entropy_tables_must_code_a_zero() -> None:
    """An element that is sent has a P(0) of at least 1."""
    library = shared_library("c")
    latents = 4 * 16 * 25
    for table, size in ((0, 400), (latents, 800)):
        decay, p_zero = table + 2 * size + 7, table + 3 * size + 7

        def unlikely(values: Values, decay: int = decay, p_zero: int = p_zero) -> Values:
            values[decay], values[p_zero] = 1, 0
            return values

        def unsent(values: Values, decay: int = decay, p_zero: int = p_zero) -> Values:
            values[decay], values[p_zero] = 0, 0
            return values

        assert changed(library, 0, Kind.TABLE, unlikely, np.uint8) == Status.BLOB_VALUE
        assert changed(library, 0, Kind.TABLE, unsent, np.uint8) == Status.OK


def test_a_walk_ends_at_the_last_four_inputs() -> None:
    """Eight inputs on NEON: from input 0, a step of 4 is the longest."""
    library = shared_library("neon")
    number = owner(library.parts, "small", "gru1_recurrent")
    for step, status in ((5, Status.BLOB_VALUE), (8, Status.BLOB_VALUE), (4, Status.OK)):
        # Two blocks of zeros for each group of 8 rows, with biases and factors of 0.
        index, weights = bytes([1, 0, step, 0] * 3), bytes(3 * (64 + 64))

        def edit(sections: list[Section], index: bytes = index, weights: bytes = weights) -> None:
            data = {Kind.INDEX: index, Kind.WEIGHTS: weights}
            for at, section in enumerate(sections):
                if section.owner == number:
                    sections[at] = Section(number, section.kind, data[section.kind])

        assert library.open(edited(library.blob, edit)) == status
