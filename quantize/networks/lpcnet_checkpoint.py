# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet on disk: weights as Lpcnet.export() names them, and how the network differs from ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quantize.errors import InputError
from quantize.files.tensor_file import read_tensor_file
from quantize.networks.lpcnet import AFTER, BEFORE, CODES, INPUTS, Lpcnet, Sizes
from quantize.networks.lpcnet_batch import Variant
from quantize.networks.tensors import read_tensors, write_tensors

_VARIANT = "variant"  # a note of the file, as JSON; absent where it is ours


def save_lpcnet(
    path: Path, model: Lpcnet, notes: Mapping[str, str], variant: Variant | None = None
) -> None:
    """Write a network to speak with; `notes` say where it came from."""
    added = {"sizes": json.dumps(asdict(model.sizes))}
    if variant is not None and variant != Variant():
        added[_VARIANT] = json.dumps(asdict(variant))
    write_tensors(path, model.export(), {**notes, **added})


def load_lpcnet(path: Path) -> tuple[Lpcnet, Variant]:
    """Read a network to speak with; InputError if it is damaged, incomplete or of other shapes."""
    return restore(read_tensors(path), str(path)), read_variant(path)


def read_variant(path: Path) -> Variant:
    """Return how the network of a checkpoint differs from ours; InputError if it does not say."""
    note = read_tensor_file(path).notes.get(_VARIANT, "{}")
    wrong = InputError(f"{path} does not say which LPCNet it holds: import it again")
    try:
        told = json.loads(note)
    except (ValueError, RecursionError):
        raise wrong from None
    kinds = {name: type(value) for name, value in asdict(Variant()).items()}
    if not isinstance(told, dict) or any(type(v) is not kinds.get(k) for k, v in told.items()):
        raise wrong
    variant = Variant(**told)
    numbers = variant.gamma, variant.sharpness
    fits = all(0 < n < 100 for n in numbers) and 0 <= variant.tail < 1  # NaN fits nowhere
    if not fits or variant.lookahead not in range(BEFORE + AFTER + 1):
        raise wrong
    return variant


def integer_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a network that the integer voice can speak with.

    Raises InputError for one that differs from ours in more than weights and sizes.
    """
    variant, ours = read_variant(path), Variant()
    wanted = asdict(ours)
    for name, value in asdict(variant).items():
        if value != wanted[name]:
            raise InputError(
                f"{path}: {name} is {value}, the integer voice has {wanted[name]}: "
                "only `dredkit score` can speak with it, in floats"
            )
    return {name: tensor.numpy() for name, tensor in read_tensors(path).items()}


def restore(tensors: Mapping[str, Tensor], where: str) -> Lpcnet:
    """Return the network whose export() gave `tensors`; `where` names them in errors.

    Embeddings are folded in a checkpoint, so here each code is its own embedding.
    """
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise InputError(f"{where}: {name} holds other values than finite weights")
    try:
        units = tensors["gru_a_recurrent.weight"].shape[1]
        sizes = Sizes(
            conditioning=len(tensors["feature_dense1.bias"]),
            gru_a=units,
            gru_b=tensors["gru_b_recurrent.weight"].shape[1],
            pitch=tensors["embed_pitch.weight"].shape[1],
            embedding=CODES,
        )
        joined = tensors["gru_b_input.weight"]
        named = {
            "pitch.weight": tensors["embed_pitch.weight"],
            "embedding": torch.eye(CODES).repeat(3, 1, 1),
            "embedding_to_a": torch.stack([tensors[f"embed_{name}.weight"] for name in INPUTS]),
            "a_to_b.weight": joined[:, :units],
            "cond_to_b.weight": joined[:, units:],
            "cond_to_b.bias": tensors["gru_b_input.bias"],
        }
        for ours, theirs in (
            ("conv1", "feature_conv1"),
            ("conv2", "feature_conv2"),
            ("dense1", "feature_dense1"),
            ("dense2", "feature_dense2"),
            ("cond_to_a", "gru_a_input"),
            ("a", "gru_a_recurrent"),
            ("b", "gru_b_recurrent"),
        ):
            for part in ("weight", "bias"):
                named[f"{ours}.{part}"] = tensors[f"{theirs}.{part}"]
        for part in ("weight", "bias", "scale"):
            named[f"tree_{part}"] = tensors[f"dual_fc.{part}"]
        model = Lpcnet(sizes)
        model.load_state_dict(named)
    except (KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
        why = f"no {error.args[0]}" if isinstance(error, KeyError) else "shapes do not fit together"
        raise InputError(f"{where} is no checkpoint of LPCNet ({why})") from None
    return model
