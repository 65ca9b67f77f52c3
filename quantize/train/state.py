# SPDX-License-Identifier: BSD-3-Clause
"""Training state on disk: written whole or not at all, and refused when it is not ours."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save

from quantize.errors import InputError
from quantize.files.reading import file_bytes
from quantize.files.tensor_file import parse
from quantize.files.write import write_whole

Pairs = Sequence[tuple[str, str]]
PAIRS: Pairs = (("model", "optimiser"),)  # a network's key in a state, and its optimiser's
PACKED: Final = ".safetensors"  # how the name of a packed state ends
_MASKS: Final = ("mask", "mask_b")  # tensors of zeros and ones: which weights are kept
_MOMENTS: Final = ("exp_avg", "exp_avg_sq")  # Adam's, of each weight
_ABSENT: Final = "does not exist, so there is nothing to resume from"
# What values of wrong types and shapes raise while a state is taken apart or taken up.
DAMAGE: Final = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError),
    *(RuntimeError, OverflowError, RecursionError),
)


def save_state(path: Path, kind: str, state: dict[str, Any]) -> None:
    """Write `state` of a `kind` of training to `path`, replacing it in one move."""
    memory = io.BytesIO()  # where torch cannot write a file to its end, it raises a RuntimeError
    torch.save({"kind": kind, **state}, memory)
    write_whole(path, memory.getvalue())


def read_state(path: Path, kind: str, pairs: Pairs = PAIRS) -> dict[str, Any]:
    """Return the state in a file, packed or not; InputError if it is damaged or foreign."""
    return load_packed(path, kind, pairs) if path.suffix == PACKED else load_state(path, kind)


def load_state(path: Path, kind: str) -> dict[str, Any]:
    """Return the state that `save_state` wrote; InputError if it is damaged or of another kind."""
    data = file_bytes(path, "train first, or give another folder", missing=_ABSENT)
    try:
        with warnings.catch_warnings():  # about what a damaged file asks for
            warnings.simplefilter("ignore")
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a damaged file
        why = type(error).__name__
        raise InputError(f"{path} is no training state ({why}): delete it to start over") from None
    if not isinstance(state, dict) or state.get("kind") != kind:
        raise InputError(f"{path} is not a training state of {kind}: give another folder")
    return state


def save_packed(path: Path, kind: str, state: dict[str, Any], pairs: Pairs = PAIRS) -> None:
    """Write `state` of an Adam training small enough to keep in a repository.

    Weights stay float32; Adam's moments, in bfloat16, take a third of the file. Smoothed weights
    are left out: they form again. `pairs` names the state's networks, each with its optimiser;
    one that the state lacks is passed over. Everything else must be tensors or plain values.
    """
    tensors: dict[str, torch.Tensor] = {}
    plain: dict[str, Any] = {}
    for network, optimiser in pairs:
        if network in state:
            tensors |= _pack_network(network, state[network], state[optimiser], plain)
    left_out = {"smooth", *(name for pair in pairs for name in pair)}
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            tensors[key] = value.to(torch.uint8) if key in _MASKS else value
        elif key not in left_out:
            plain[key] = value
    whole = {key: value.cpu().contiguous() for key, value in tensors.items()}
    write_whole(path, save(whole, {"kind": kind, "plain": json.dumps(plain)}))


def load_packed(path: Path, kind: str, pairs: Pairs = PAIRS) -> dict[str, Any]:
    """Return a packed state as `load_state` would; InputError if it is damaged or foreign."""
    data = file_bytes(path, "train first, or give another file", missing=_ABSENT)
    file = parse(data, str(path), "a training state")
    if file.notes.get("kind") != kind or "plain" not in file.notes:
        raise InputError(f"{path} is not a training state of {kind}: give another file")
    tensors = {key: torch.from_numpy(array) for key, array in file.tensors.items()}
    try:
        plain = dict(json.loads(file.notes["plain"]))
        state: dict[str, Any] = {}
        for network, optimiser in pairs:
            if f"{_prefix(network)}names" in plain:
                state[network], state[optimiser] = _unpack_network(network, tensors, plain)
    except DAMAGE as error:
        why = type(error).__name__
        raise InputError(f"{path} is a damaged training state ({why}): fetch it again") from None
    state |= plain
    state |= {name: tensors[name].float() for name in _MASKS if name in tensors}
    return state


def restore_optimiser(optimiser: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Give an Adam optimiser the moments of a saved one.

    Its settings stay as the code has them. Raises one of DAMAGE for moments that do not fit.
    """
    if not isinstance(saved, dict):
        raise TypeError("no optimiser's state")
    weights = [w for group in optimiser.param_groups for w in group["params"]]
    for index, moment in saved["state"].items():
        if not isinstance(moment, dict):
            raise TypeError("no moments")
        if any(moment[name].shape != weights[index].shape for name in _MOMENTS):
            raise ValueError("moments of another shape than their weight")
        if not math.isfinite(float(moment["step"])):
            raise ValueError("a step that is no number")
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": saved["state"], "param_groups": groups})


def _prefix(network: str) -> str:
    """Return what stands before a network's keys; the first one's file format has nothing."""
    return "" if network == PAIRS[0][0] else f"{network}."


def _pack_network(
    network: str,
    weights: Mapping[str, torch.Tensor],
    optimiser: Mapping[str, Any],
    plain: dict[str, Any],
) -> dict[str, torch.Tensor]:
    """Return a network's tensors by their names in the file; put the rest into `plain`."""
    before, moments = _prefix(network), optimiser["state"]
    tensors = {f"{network}.{name}": weight for name, weight in weights.items()}
    for index, (name, weight) in enumerate(weights.items()):
        none = torch.zeros_like(weight)  # the moments of a weight without a gradient so far
        moment = moments.get(index, dict.fromkeys(_MOMENTS, none))
        tensors[f"{before}mean.{name}"] = moment["exp_avg"].bfloat16()
        tensors[f"{before}square.{name}"] = moment["exp_avg_sq"].bfloat16()
    plain[f"{before}names"] = list(weights)
    plain[f"{before}groups"] = optimiser["param_groups"]
    plain[f"{before}adam_step"] = float(next(iter(moments.values()))["step"])
    return tensors


def _unpack_network(
    network: str, tensors: Mapping[str, torch.Tensor], plain: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Undo _pack_network: weights and the optimiser's state; takes its keys out of `plain`."""
    before = _prefix(network)
    names, step = plain.pop(f"{before}names"), float(plain.pop(f"{before}adam_step"))
    moments = {
        index: {
            "step": torch.tensor(step),
            "exp_avg": tensors[f"{before}mean.{name}"].float(),
            "exp_avg_sq": tensors[f"{before}square.{name}"].float(),
        }
        for index, name in enumerate(names)
    }
    weights = {name: tensors[f"{network}.{name}"] for name in names}
    return weights, {"state": moments, "param_groups": plain.pop(f"{before}groups")}
