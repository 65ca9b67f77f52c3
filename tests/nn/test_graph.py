# SPDX-License-Identifier: BSD-3-Clause
"""Graphs: which ones are refused, what survives JSON, and the encoder's topology."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.errors import InputError
from quantize.nn.graph import Activation, Conv1d, Dense, Format, Glu, Graph, Gru, Node, Slice
from quantize.nn.topologies import rdovae_decoder, rdovae_decoder_init, rdovae_encoder
from tests.support.small_models import gated_graph, small_graph

TANH, LINEAR = Activation.TANH, Activation.LINEAR


def graph_of(*nodes: Node, **change: Any) -> Graph:
    parts: dict[str, Any] = {
        "name": "g",
        "inputs": ("x",),
        "outputs": ("y",),
        "buffers": {"x": 4, "h": 8, "y": 4},
        "nodes": nodes,
    }
    return Graph(**{**parts, **change})


FIRST = Dense("first", Slice("x", 0, 4), Slice("h", 0, 8), TANH)
LAST = Dense("last", Slice("h", 0, 8), Slice("y", 0, 4), LINEAR)
TANH_LAST = replace(LAST, activation=TANH)


def test_a_good_graph_lists_its_matrices() -> None:
    graph = small_graph()
    assert [(m.name, m.rows, m.cols, m.fed_from) for m in graph.matrices()][:6] == [
        ("first", 8, 12, "features"),
        ("gru1_input", 24, 8, "trunk"),
        ("gru1_recurrent", 24, 8, "trunk"),
        ("dense1", 8, 16, "trunk"),
        ("conv1", 8, 16, "conv_in"),
        ("gru2_input", 24, 24, "trunk"),
    ]
    wide = [name for name in graph.buffers if graph.is_wide(name)]
    assert wide == [*graph.inputs, *graph.outputs]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((replace(FIRST, input=Slice("z", 0, 4)), LAST), "first uses no buffer z"),
        ((replace(FIRST, output=Slice("z", 0, 4)), LAST), "first uses no buffer z"),
        ((replace(FIRST, input=Slice("x", 1, 4)), LAST), "first runs out of x"),
        ((replace(FIRST, input=Slice("x", -1, 4)), LAST), "first runs out of x"),
        ((replace(FIRST, input=Slice("x", 0, 0)), LAST), "first runs out of x"),
        ((replace(FIRST, output=Slice("h", 4, 5)), LAST), "first runs out of h"),
        ((LAST, FIRST), "last reads before anything is written"),
        ((replace(FIRST, output=Slice("h", 0, 7)), LAST), "last reads before"),
        ((replace(FIRST, output=Slice("h", 1, 7)), LAST), "last reads before"),
        ((FIRST, replace(LAST, output=Slice("y", 0, 3))), "output y is not written whole"),
        ((FIRST,), "output y is not written whole"),
        ((FIRST, replace(LAST, name="first")), "two nodes share a name"),
        ((replace(FIRST, activation=LINEAR), LAST), "first: linear nodes, and only those"),
        ((FIRST, TANH_LAST), "last: linear nodes, and only those"),
        ((FIRST, Gru("g", Slice("h", 0, 8), Slice("y", 0, 4))), "g: linear nodes, and only"),
        ((FIRST, LAST, Dense("b", Slice("y", 0, 4), Slice("h", 0, 8), TANH)), "b writes an input"),
        ((Dense("b", Slice("x", 0, 4), Slice("x", 0, 4), TANH), FIRST, LAST), "b writes an input"),
        ((Conv1d("c", Slice("x", 0, 4), Slice("h", 0, 8), 0, TANH), LAST), "a dilation of 0"),
        ((Conv1d("c", Slice("x", 0, 4), Slice("h", 0, 8), 1, TANH, 1), LAST), "1 taps; it takes"),
        ((FIRST, Glu("g", Slice("h", 0, 4), Slice("h", 4, 4)), LAST), "g gates Q15 values"),
        ((Glu("g", Slice("x", 0, 4), Slice("h", 0, 4)), FIRST, LAST), "g gates Q15 values"),
        ((FIRST, Gru("g", Slice("x", 0, 4), Slice("h", 0, 8)), LAST), "g works on int8"),
    ],
)
def test_bad_nodes_are_named(nodes: tuple[Node, ...], message: str) -> None:
    graph_of(FIRST, LAST)
    with pytest.raises(InputError, match=f"^graph g: .*{message}"):
        graph_of(*nodes)


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": ("nowhere",)},
        {"outputs": ("y", "nowhere")},
        {"buffers": {"x": 0, "h": 8, "y": 4}},
    ],
)
def test_in_and_outputs_are_buffers(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"input or output (nowhere|x) is not a buffer"):
        graph_of(FIRST, LAST, **change)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((Glu("g", Slice("h", 0, 4), Slice("y", 0, 3)),), "g gates 4 values, not 3"),
        ((Glu("g", Slice("h", 0, 4), Slice("h", 3, 4)),), "g writes over its own input"),
        ((replace(LAST, activation=LINEAR),), "last: linear nodes, and only those"),
    ],
)
def test_bad_q15_nodes_are_named(nodes: tuple[Node, ...], message: str) -> None:
    formats = {"h": Format.Q15, "y": Format.Q15}
    graph_of(FIRST, Glu("g", Slice("h", 0, 4), Slice("h", 4, 4)), TANH_LAST, formats=formats)
    with pytest.raises(InputError, match=f"^graph g: .*{message}"):
        graph_of(FIRST, *nodes, formats=formats)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"formats": {"y": Format.X8}}, "output y is int16, not X8"),
        ({"formats": {"h": Format.FIXED}}, "h is not an input or output to be FIXED"),
        ({"formats": {"nowhere": Format.Q15}}, "nowhere is not an input or output"),
        ({"fracs": {"h": 10}}, "h with 10 fractional bits is not a FIXED"),
        ({"fracs": {"y": 16}}, "y with 16 fractional bits"),
        ({"fracs": {"nowhere": 1}}, "nowhere with 1 fractional bits"),
        (
            {"fracs": {"x": 1}, "formats": {"x": Format.Q15}},
            "x with 1 fractional bits is not a FIXED",
        ),
    ],
)
def test_formats_fit_their_buffers(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^graph g: {message}"):
        graph_of(FIRST, LAST, **change)


def test_a_gated_graph_says_what_each_matrix_takes() -> None:
    graph = gated_graph()
    wide = [shape.name for shape in graph.matrices() if graph.takes_wide(shape)]
    assert wide == ["wide"]
    assert graph.is_wide("q15")
    assert graph.calibrated == ("features", "sound")
    assert next(s.cols for s in graph.matrices() if s.name == "conv") == 32


@pytest.mark.parametrize(
    "graph",
    [
        *(small_graph(), gated_graph(), graph_of(FIRST, LAST)),
        *(rdovae_encoder(), rdovae_decoder(), rdovae_decoder_init()),
    ],
)
def test_json_and_back(graph: Graph) -> None:
    assert Graph.from_json(graph.to_json()) == graph


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


@settings(max_examples=40)
@given(anything)
def test_other_json_is_refused(data: Any) -> None:
    with pytest.raises(InputError):
        Graph.from_json(data)


def paths(data: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Yield the place of every value in JSON data."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for key, value in items:
        found.append((*prefix, key))
        if isinstance(value, dict | list):
            found += paths(value, (*prefix, key))
    return found


@given(st.sampled_from(paths(gated_graph().to_json())), anything)
def test_damaged_json_is_refused_or_a_graph(path: tuple[Any, ...], value: Any) -> None:
    data = gated_graph().to_json()
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    try:
        graph = Graph.from_json(data)
    except InputError:
        return
    assert Graph.from_json(graph.to_json()) == graph


@pytest.mark.parametrize(
    "path", [p for p in paths(small_graph().to_json()) if isinstance(p[-1], str)]
)
def test_incomplete_json_is_refused(path: tuple[Any, ...]) -> None:
    data = small_graph().to_json()
    place = data
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    with pytest.raises(InputError):
        Graph.from_json(data)


def test_encoder_is_upstreams() -> None:
    """The input widths of each layer are those of docs/FORMAT.md, section 6."""
    graph = rdovae_encoder()
    shapes = {m.name: (m.rows, m.cols) for m in graph.matrices()}
    assert shapes["enc_dense1"] == (64, 40)
    for stage, (seen_by_gru, seen_by_dense) in enumerate(
        ((64, 96), (160, 192), (256, 288), (352, 384), (448, 480)), start=1
    ):
        assert shapes[f"enc_gru{stage}_input"] == (96, seen_by_gru)
        assert shapes[f"enc_gru{stage}_recurrent"] == (96, 32)
        assert shapes[f"enc_conv_dense{stage}"] == (64, seen_by_dense)
        assert shapes[f"enc_conv{stage}"] == (64, 128)
    assert shapes["enc_zdense"] == (25, 544)
    assert shapes["gdense1"] == (128, 544)
    assert shapes["gdense2"] == (50, 128)
    assert len(shapes) == 24
    dilations = [node.dilation for node in graph.nodes if isinstance(node, Conv1d)]
    assert dilations == [1, 2, 2, 2, 2]


def test_decoder_is_upstreams() -> None:
    graph = rdovae_decoder()
    shapes = {m.name: (m.rows, m.cols) for m in graph.matrices()}
    assert shapes["dec_dense1"] == (96, 26)
    for stage, (seen_by_gru, seen_by_dense) in enumerate(
        ((96, 160), (192, 256), (288, 352), (384, 448), (480, 544)), start=1
    ):
        assert shapes[f"dec_gru{stage}_input"] == (192, seen_by_gru)
        assert shapes[f"dec_gru{stage}_recurrent"] == (192, 64)
        assert shapes[f"dec_glu{stage}"] == (64, 64)
        assert shapes[f"dec_conv_dense{stage}"] == (32, seen_by_dense)
        assert shapes[f"dec_conv{stage}"] == (32, 64)
    assert shapes["dec_output"] == (80, 576)
    assert len(shapes) == 27
    assert [m.name for m in graph.matrices() if graph.takes_wide(m)] == ["dec_dense1"]
    start = rdovae_decoder_init()
    assert [(m.name, m.rows, m.cols, start.takes_wide(m)) for m in start.matrices()] == [
        ("dec_hidden_init", 128, 50, True),
        ("dec_gru_init", 320, 128, False),
    ]
