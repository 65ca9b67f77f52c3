# SPDX-License-Identifier: BSD-3-Clause
"""Training state on disk: written whole or not at all, and refused when it is not ours."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from quantize.errors import InputError
from quantize.files.write import write_whole

_MASKS = ("mask", "mask_b")  # tensors of zeros and ones: which weights are kept


def save_state(path: Path, kind: str, state: dict[str, Any]) -> None:
    """Write `state` of a `kind` of training to `path`, replacing it in one move."""
    memory = io.BytesIO()  # where torch cannot write a file to its end, it raises a RuntimeError
    torch.save({"kind": kind, **state}, memory)
    write_whole(path, memory.getvalue())


def load_state(path: Path, kind: str) -> dict[str, Any]:
    """Return the state that `save_state` wrote; InputError if it is damaged or of another kind."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: nothing to resume from") from None
    except Exception as error:  # torch raises many types for a damaged file
        why = type(error).__name__
        raise InputError(f"{path} is no training state ({why}): delete it to begin anew") from None
    if not isinstance(state, dict) or state.get("kind") != kind:
        raise InputError(f"{path} is not a training state of {kind}: give another folder")
    return state


def save_packed(path: Path, kind: str, state: dict[str, Any]) -> None:
    """Write `state` of an Adam training small enough to keep in a repository.

    Weights stay float32; Adam's moments, in bfloat16, take a third of the file. Smoothed weights
    are left out: they form again. Everything else must be tensors or plain values.
    """
    tensors, plain = {}, {}
    for name, weight in state["model"].items():
        tensors[f"model.{name}"] = weight
    moments = state["optimiser"]["state"]
    for index, name in enumerate(state["model"]):
        tensors[f"mean.{name}"] = moments[index]["exp_avg"].bfloat16()
        tensors[f"square.{name}"] = moments[index]["exp_avg_sq"].bfloat16()
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            tensors[key] = value.to(torch.uint8) if key in _MASKS else value
        elif key not in ("model", "optimiser", "smooth"):
            plain[key] = value
    groups = state["optimiser"]["param_groups"]
    plain["names"] = list(state["model"])
    plain["groups"], plain["adam_step"] = groups, float(moments[0]["step"])
    whole = {key: value.cpu().contiguous() for key, value in tensors.items()}
    write_whole(path, save(whole, {"kind": kind, "plain": json.dumps(plain)}))


def load_packed(path: Path, kind: str) -> dict[str, Any]:
    """Return a packed state as `load_state` would; InputError if it is damaged or foreign."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: nothing to resume from") from None
    except (SafetensorError, OSError):
        raise InputError(f"{path} is no training state, or is damaged: fetch it again") from None
    if header.get("kind") != kind or "plain" not in header:
        raise InputError(f"{path} is not a training state of {kind}: give another file")
    plain = json.loads(header["plain"])
    names = plain.pop("names")
    moments = {
        index: {
            "step": torch.tensor(plain["adam_step"]),
            "exp_avg": tensors[f"mean.{name}"].float(),
            "exp_avg_sq": tensors[f"square.{name}"].float(),
        }
        for index, name in enumerate(names)
    }
    state = {
        **{k: v for k, v in plain.items() if k not in ("groups", "adam_step")},
        "model": {name: tensors[f"model.{name}"] for name in names},
        "optimiser": {"state": moments, "param_groups": plain["groups"]},
    }
    state |= {name: tensors[name].float() for name in _MASKS if name in tensors}
    return state
