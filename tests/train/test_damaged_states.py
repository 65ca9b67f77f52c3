# SPDX-License-Identifier: BSD-3-Clause
"""Damaged states of trainings, saved and packed, end in one line that names the file."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from quantize.errors import InputError
from quantize.files.tensor_file import read_tensor_file
from quantize.networks import fargan as fargan_network
from quantize.networks import lpcnet as lpcnet_network
from quantize.networks.fargan_checkpoint import read_fargan, save_fargan
from quantize.train.fargan import loop as fargan
from quantize.train.lpcnet import loop as lpcnet
from quantize.train.state import save_packed, save_state
from quantize.train.trainer import Trainer
from toolkit.verify.scoring.fargan import read_weights as fargan_weights
from toolkit.verify.scoring.voices import read_weights as lpcnet_weights

LPCNET = lpcnet_network.Sizes(conditioning=16, gru_a=32, gru_b=16, pitch=4, embedding=8)
FARGAN = fargan_network.Sizes(16, 16, (16, 16, 16), 16, 4, dense=16, conv=16)
READ: dict[str, Callable[[Path], Any]] = {"lpcnet": lpcnet_weights, "fargan": fargan_weights}


def make(kind: str) -> Trainer:
    if kind == "lpcnet":
        return lpcnet.Trainer(LPCNET, lpcnet.Settings())
    return fargan.Trainer(FARGAN, fargan.Settings())


@pytest.fixture(params=READ)
def trainer(request: pytest.FixtureRequest) -> Trainer:
    """A training after one step without gradients: everything that a state holds is there."""
    made = make(request.param)
    for parameter in made.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    made.optimiser.step()
    made.step = 3
    smooth: Any = made
    smooth.smooth = {name: w.clone() for name, w in made.model.state_dict().items()}
    return made


def refused(kind: str, path: Path) -> str:
    """Return the one line that resuming from a file and scoring it end with."""
    lines = []
    for read in (lambda: make(kind).resume(path), lambda: READ[kind](path)):
        with pytest.raises(InputError) as caught:
            read()
        lines.append(str(caught.value))
        assert path.name in lines[-1]
        assert "\n" not in lines[-1]
    return lines[0]


def changed(state: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a copy of a state with another value at a place, or without it if that is `...`."""
    copy = dict(state)
    if len(place) > 1:
        copy[place[0]] = changed(copy[place[0]], place[1:], value)
    elif value is ...:
        del copy[place[0]]
    else:
        copy[place[0]] = value
    return copy


WRONG = (..., None, 5, "x", {"x": 1}, math.inf, torch.zeros(2, 3, 4))
PLACES: tuple[tuple[Any, ...], ...] = (
    *(("model",), ("optimiser",), ("step",), ("sizes",), ("smooth",)),
    *(("optimiser", "state"), ("optimiser", "state", 0), ("optimiser", "state", 0, "exp_avg")),
    *(("optimiser", "state", 0, "exp_avg_sq"), ("optimiser", "state", 0, "step")),
)


def is_damage(place: tuple[Any, ...], value: Any) -> bool:
    """Averaged weights and moments may be absent, and any whole number is a number of steps."""
    if value is ...:
        return place not in (("smooth",), ("optimiser", "state", 0))
    return not (place[-1] == "step" and isinstance(value, int))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_wrong_values_in_a_saved_state(
    trainer: Trainer, tmp_path: Path, place: tuple[Any, ...]
) -> None:
    path = tmp_path / "state.pt"
    for value in WRONG:
        if is_damage(place, value):
            save_state(path, trainer.kind, changed(trainer.state(), place, value))
            refused(trainer.kind, path)
    if "sizes" in place:
        for sizes in ({"gru": [16, 16, 10**9]}, {"conditioning": 10**9}, {"conditioning": True}):
            wrong = {**trainer.state()["sizes"], **sizes}
            save_state(path, trainer.kind, {**trainer.state(), "sizes": wrong})
            refused(trainer.kind, path)


def test_wrong_values_in_a_packed_state(trainer: Trainer, tmp_path: Path) -> None:
    path = tmp_path / "packed.safetensors"
    save_packed(path, trainer.kind, trainer.state(), trainer.pairs)
    make(trainer.kind).resume(path)
    tensors = load(path.read_bytes())
    plain = json.loads(read_tensor_file(path).notes["plain"])

    def write(text: str, held: dict[str, torch.Tensor]) -> None:
        path.write_bytes(save(held, {"kind": trainer.kind, "plain": text}))

    for text in ("", "{", "5", "null", "[]", "[[1, 2]]", "[" * 100_000, '{"names": 5}', "{}"):
        write(text, tensors)
        refused(trainer.kind, path)
    for key in ("names", "adam_step", "step", "sizes"):
        for value in (None, "x", [5], [[]]):
            write(json.dumps({**plain, key: value}), tensors)
            refused(trainer.kind, path)
        write(json.dumps({name: value for name, value in plain.items() if name != key}), tensors)
        refused(trainer.kind, path)
    weight = plain["names"][0]
    for name in (f"model.{weight}", f"mean.{weight}", f"square.{weight}"):
        write(json.dumps(plain), {key: value for key, value in tensors.items() if key != name})
        refused(trainer.kind, path)
        write(json.dumps(plain), {**tensors, name: torch.zeros(2, 2, 2)})
        refused(trainer.kind, path)
    path.write_bytes(save(tensors, {"kind": trainer.kind}))
    assert "not a training state of" in str(refused_resume(trainer.kind, path))


def refused_resume(kind: str, path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        make(kind).resume(path)
    return caught.value


def test_folders_and_absent_files_are_one_line(tmp_path: Path) -> None:
    for kind in READ:
        for name in ("state.pt", "state.safetensors"):
            assert "nothing to resume from" in str(refused_resume(kind, tmp_path / name))
            (tmp_path / kind / name).mkdir(parents=True)
            refused(kind, tmp_path / kind / name)


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255), st.booleans(), st.booleans())
def test_damaged_bytes_are_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, at: float, flip: int, cut: bool, packed: bool
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    made = make("lpcnet")
    made.optimiser.zero_grad()
    for parameter in made.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    made.optimiser.step()
    path = folder / ("a.safetensors" if packed else "a.pt")
    if packed:
        save_packed(path, made.kind, made.state())
    else:
        save_state(path, made.kind, made.state())
    data = bytearray(path.read_bytes())
    head = min(len(data), 20_000)  # most bytes are weights, which may have any value
    place = int(at * head)
    data[place] ^= flip
    path.write_bytes(bytes(data[:place] if cut else data))
    line = path.name
    try:
        make("lpcnet").resume(path)
    except InputError as error:
        line = str(error)
    assert path.name in line
    assert "\n" not in line


def test_a_checkpoint_of_fargan_says_its_sizes(tmp_path: Path) -> None:
    path = tmp_path / "voice.safetensors"
    model = fargan_network.Fargan(FARGAN)
    save_fargan(path, model, {"steps": "many"})
    assert "steps" not in fargan_weights(path).facts
    tensors = model.export()
    for text in ("", "{", "[" * 100_000, "5", "{}", '{"gru": 5}'):
        path.write_bytes(save(tensors, {"sizes": text}))
        with pytest.raises(InputError, match="carries no FARGAN sizes") as caught:
            read_fargan(path)
        assert path.name in str(caught.value)
