# SPDX-License-Identifier: BSD-3-Clause
"""Our own checkpoints: reading returns what was written, and damage ends in one clear line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from quantize.errors import InputError
from tests.support.blobs import GRAPH, LAYERS
from toolkit.models.importers import IMPORTED, SHIPPED, load_model
from toolkit.models.importers.checkpoint import read_checkpoint, write_checkpoint


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "net.safetensors"
    write_checkpoint(path, LAYERS, "a test")
    read = read_checkpoint(path)
    for name, layer in LAYERS.items():
        assert np.array_equal(read[name].bias, layer.bias)
        for part in ("int8", "scale", "blocks"):
            assert np.array_equal(getattr(read[name], part), getattr(layer, part))
        assert np.array_equal(read[name].matrix, layer.matrix)
    assert load_model(path, GRAPH).source["kind"] == IMPORTED
    assert [item.name for item in path.parent.iterdir()] == ["net.safetensors"]


def good_arrays() -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for name, layer in LAYERS.items():
        arrays[f"{name}.weight"] = layer.matrix.astype(np.float32)
        arrays[f"{name}.bias"] = layer.bias.astype(np.float32)
    return arrays


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("last.weight", np.ones((8, 23), np.float32), "layer last is 8x23, the network needs 5x24"),
        ("last.weight", np.ones(24, np.float32), "layer last: weight is"),
        ("last.weight", np.ones((8, 24), np.int32), "layer last: weight is"),
        ("last.bias", np.ones(7, np.float32), "layer last: bias is"),
        ("last.bias", np.full(8, np.nan, np.float32), "a bias is NaN or infinite"),
        ("last.weight", np.full((8, 24), np.inf, np.float32), "a weight is NaN or infinite"),
        ("last.bias", np.ones(8, np.int32), "layer last: bias is of type int32"),
        ("last.int8", np.ones((8, 24), np.int16), "layer last: int8 is of type int16"),
        ("last.int8", np.ones((8, 24), np.int8), "come only together"),
        ("last.scale", np.ones(8, np.float64), "come only together"),
        ("last.blocks", np.ones((2, 6), np.uint8), "layer last: blocks is"),
        ("last.blocks", np.ones((1, 6), np.float32), "layer last: blocks is of type float32"),
        ("last.blocks", np.zeros((1, 6), np.uint8), "outside the kept blocks is not zero"),
    ],
)
def test_bad_checkpoints(tmp_path: Path, name: str, value: Any, message: str) -> None:
    path = tmp_path / "net.safetensors"
    save_file(good_arrays(), path)
    load_model(path, GRAPH)
    save_file({**good_arrays(), name: value}, path)
    with pytest.raises(InputError, match=message):
        load_model(path, GRAPH)


def test_checkpoint_of_another_network() -> None:
    with pytest.raises(InputError, match="layer first is missing; is it another model"):
        load_model(SHIPPED, GRAPH)


def test_checkpoint_without_layers(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"something": np.ones(3)}, path)
    with pytest.raises(InputError, match=r"holds no '<layer>\.weight'"):
        load_model(path, GRAPH)
    content = SHIPPED.read_bytes()
    for length in range(100003, len(content), 100003):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="not a safetensors checkpoint, or damaged"):
            load_model(path, GRAPH)
