# SPDX-License-Identifier: BSD-3-Clause
"""Headers of model files, changed at every place: one line, and no memory for false claims."""

import copy
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.errors import InputError
from quantize.nn.model import QuantisedModel
from quantize.nn.run import IntegerRunner
from quantize.nn.topologies import rdovae_encoder
from quantize.vocoder.lpcnet.model import LpcnetModel
from tests.support.decoder_models import random_networks, tables
from tests.support.lpcnet_models import random_voice
from tests.support.small_models import gated_graph, small_model
from toolkit.models.saved import load_quantised

MIB = 1 << 20
VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 7, 300_000_000, 2**31, 2**63, 10**400, 1e308, 0.5),
    *("", "x" * 100_000, "../x", "features", [], {}, [[]], {"x": 1}),
)


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a safetensors file into its header and its tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def joined(header: Any, tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + tensors


def places(data: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value in JSON data; of a list, only the first three."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(pairs)[: 3 if isinstance(data, list) else None]:
        yield (*prefix, key)
        if isinstance(value, dict | list):
            yield from places(value, (*prefix, key))


def changed(data: Any, place: tuple[Any, ...], value: Any) -> Any:
    data = copy.deepcopy(data)
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return data


def told(data: bytes) -> dict[str, Any]:
    found = json.loads(split(data)[0]["__metadata__"]["dredkit"])
    assert isinstance(found, dict)
    return found


def with_told(data: bytes, header: Any) -> bytes:
    outer, tensors = split(data)
    return joined({**outer, "__metadata__": {"dredkit": json.dumps(header)}}, tensors)


Reader = Callable[[bytes, str], Any]


def judge(read: Reader, data: bytes, limit: int = 24 * MIB) -> Any:
    """Read a model within `limit` bytes of memory; return None after one line that names it."""
    tracemalloc.start()
    model, line = None, "here"
    try:
        model = read(data, "here")
    except InputError as error:
        line = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit
    assert line.startswith("here")
    assert "\n" not in line
    assert len(line) < 600
    return model


def test_a_changed_header_of_a_network_is_one_line_or_runs() -> None:
    data = small_model(gated_graph()).to_bytes()
    header = told(data)
    refused = 0
    for place in places(header):
        for value in VALUES:
            model = judge(QuantisedModel.from_bytes, with_told(data, changed(header, place, value)))
            refused += model is None
            if model is not None:
                names = model.graph.inputs
                IntegerRunner(model).step(
                    {name: np.zeros(model.graph.buffers[name], np.int64) for name in names}
                )
    assert refused > 1000


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (QuantisedModel.from_bytes, small_model().to_bytes()),
        (LpcnetModel.from_bytes, random_voice(1).to_bytes()),
    ],
    ids=["network", "voice"],
)
def test_a_changed_table_of_tensors_is_one_line_or_the_same(read: Reader, data: bytes) -> None:
    header, tensors = split(data)
    some = {name: header[name] for name in [*header][:4]}
    for place in places(some):
        for value in VALUES:
            model = judge(read, joined(changed(header, place, value), tensors))
            if model is not None:
                assert model.to_bytes() == data


def test_a_changed_header_of_a_voice_is_one_line_or_a_voice() -> None:
    data = random_voice(1).to_bytes()
    header = told(data)
    for place in places(header):
        for value in VALUES:
            judge(LpcnetModel.from_bytes, with_told(data, changed(header, place, value)))


@pytest.mark.parametrize("note", [None, [], 7, {"dredkit": None}, {"dredkit": 1}, {}])
def test_notes_that_are_none(note: Any, tmp_path: Path) -> None:
    header, tensors = split(small_model().to_bytes())
    path = tmp_path / "m.dkq"
    path.write_bytes(joined({**header, "__metadata__": note}, tensors))
    with pytest.raises(InputError, match=r"not a (quantised model|dredkit-quantised-1 file)"):
        load_quantised(path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"format":' * 50_000, "\ud800", "NaN", "1" * 9999]
)
def test_notes_that_are_no_json(text: str) -> None:
    header, tensors = split(small_model().to_bytes())
    data = joined({**header, "__metadata__": {"dredkit": text}}, tensors)
    assert judge(QuantisedModel.from_bytes, data, 60 * MIB) is None


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("buffers", "trunk"), 300_000_000, "buffer trunk is 300000000, outside 1 to"),
        (("buffers", "trunk"), 2**31, "buffer trunk is 2147483648, outside 1 to"),
        (("buffers", "trunk"), 41, "buffer trunk has 41 elements, its nodes use 40"),
        (("buffers", "features"), 13, "buffer features has 13 elements, its nodes use 12"),
        (("buffers", "trunk"), "40", "buffer trunk is 40, not an integer"),
        (("buffers", "trunk"), 40.0, "buffer trunk is 40.0, not an integer"),
        (("nodes", 3, "dilation"), True, "dilation of conv1 is True, not an integer"),
        (("nodes", 3, "dilation"), 1_000_000, "memories of 8000"),
        (("nodes", 3, "taps"), 2**40, "taps of conv1 is 1099511627776, outside"),
        (("nodes", 3, "input", "start"), -1, "start of input of conv1 is -1, outside 0 to"),
        (("nodes", 3, "activation"), "relu", "activation of conv1 is relu, not one of linear"),
        (("nodes", 3, "op"), "Lstm", "conv1 has an unknown op"),
        (("nodes", 3, "name"), "a/b", "a node's name is a/b, not a name of letters"),
        (("name",), "x */ y", r"its name is x \*/ y, not a name"),
        (("inputs",), ["features", "features"], "named twice"),
        (("formats",), {"trunk": 5}, "format of trunk is 5, not one of"),
    ],
)
def test_what_no_node_can_fill_is_named(place: tuple[Any, ...], value: Any, message: str) -> None:
    data = small_model().to_bytes()
    header = told(data)
    with pytest.raises(InputError, match=message):
        QuantisedModel.from_bytes(with_told(data, changed(header, ("graph", *place), value)), "m")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("frac", "latents"), 3.0, "fractional bits of latents is 3.0, not an integer"),
        (("acc_bound", "out"), 2**31, "acc_bound of out is 2147483648, outside 0 to 2147483647"),
        (("source", "name"), 7, "source's name is 7, not a text"),
        (("scheme",), ["a8w8"], "scheme a list of 1 is not one of a8w8"),
    ],
)
def test_other_places_are_named(place: tuple[Any, ...], value: Any, message: str) -> None:
    data = small_model().to_bytes()
    with pytest.raises(InputError, match=message):
        QuantisedModel.from_bytes(with_told(data, changed(told(data), place, value)), "m")


def test_a_sender_or_receiver_of_other_networks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.dkq"
    encoder = small_model(rdovae_encoder())
    EncoderModel(encoder, encoder, tables()).save(path)
    with pytest.raises(InputError, match="pitch network: holds another network than pitch"):
        load_quantised(path)
    networks = random_networks()
    swapped = type(networks)(networks.step, networks.start, networks.tables)
    DecoderModel(swapped, "pulse").save(path)
    with pytest.raises(InputError, match="initial network: holds another network than rdovae_dec"):
        load_quantised(path)


def test_parts_of_other_types_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.dkq"
    networks = random_networks()
    DecoderModel(networks, "pulse").save(path)
    header, tensors = split(path.read_bytes())
    for name in ("start", "tables", "voice"):
        wrong = changed(header, (name, "dtype"), "I8")
        path.write_bytes(joined(wrong, tensors))
        with pytest.raises(InputError, match=f"{name} is damaged"):
            load_quantised(path)
        gone = {("other" if key == name else key): value for key, value in header.items()}
        path.write_bytes(joined(gone, tensors))
        with pytest.raises(InputError, match=f"file without {name}"):
            load_quantised(path)
