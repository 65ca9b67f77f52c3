# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet checkpoints of xiph's torch training (dnn/torch/lpcnet in the Opus repository).

Such a file is a dict: `setup` is the whole training set-up, `state_dict` the weights. torch's GRUs
have the gates r, z, n where ours are z, r, h; the three inputs share one embedding; a bit of its
tree is 0 where ours is 1. All that is exact. What differs and cannot be folded into weights (frames
of look-ahead, a weighted predictor, a softmax over codes) becomes a Variant of the float network.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quantize.errors import InputError
from quantize.features import FEATURES, MAX_PERIOD, MIN_PERIOD, PITCH
from quantize.networks.lpcnet import AFTER, BEFORE, BLOCK, CODES, FRAME, Lpcnet, Sizes
from quantize.networks.lpcnet_batch import Variant

_SIGNALS = ("last_signal", "prediction", "last_error")  # in our order
_HEARD_FEATURES = FEATURES - 1  # the pitch goes in through its embedding alone
_TAPS = 3
_SPAN = BEFORE + AFTER  # frames beside its own that two convolutions of three taps see


@dataclass(frozen=True)
class Imported:
    """A network, how it differs from ours, and where it came from."""

    model: Lpcnet
    variant: Variant
    source: dict[str, str]


def read_lpcnet_torch(path: Path) -> Imported:
    """Read a checkpoint; InputError, naming what is not supported, if it cannot be mapped."""
    try:
        data = path.read_bytes()
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a checkpoint of xiph's LPCNet") from None
    except Exception as error:  # torch raises many types for a damaged file
        why = type(error).__name__
        raise InputError(f"{path}: no torch checkpoint, or damaged ({why})") from None
    try:
        lpcnet = found["setup"]["lpcnet"]
        config, weights = lpcnet["config"], found["state_dict"]
        kind = lpcnet.get("model", "lpcnet")
        config.get, weights.get  # noqa: B018  # both are dicts
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: a torch checkpoint, but none of xiph's LPCNet") from None
    if kind != "lpcnet":
        raise InputError(f"{path}: model '{kind}' is not supported, only 'lpcnet'")
    variant = _variant(config, path)
    model = _model(_Weights(weights, path), _order(config, path))
    if not variant.softmax:
        with torch.no_grad():
            model.tree_scale.neg_()  # of the chance of a 1
    digest = hashlib.sha256(data).hexdigest()
    return Imported(model, variant, {"name": path.name, "kind": "xiph-torch", "sha256": digest})


def densities(model: Lpcnet) -> dict[str, float]:
    """Return the share of 8 x 4 blocks that are not zero, of each matrix that may be sparse."""
    rows, columns = BLOCK
    found = {}
    for name, weight in (("gru_a_recurrent", model.a.weight), ("gru_b_input", model.a_to_b.weight)):
        if weight.shape[0] % rows == 0 and weight.shape[1] % columns == 0:
            blocks = weight.detach().reshape(len(weight) // rows, rows, -1, columns)
            found[name] = float((blocks != 0).any(3).any(1).float().mean())
    return found


def _variant(config: Mapping[str, Any], path: Path) -> Variant:
    """Refuse what has no place in our network; return what has one."""
    layout = config.get("input_layout")
    features = layout.get("features") if isinstance(layout, dict) else None
    lookahead, history = config.get("feature_lookahead"), config.get("feature_history")
    wanted: tuple[tuple[str, object, object], ...] = (
        ("frame_size", config.get("frame_size"), FRAME),
        ("signal_levels", config.get("signal_levels"), CODES),
        ("output_levels", config.get("output_levels"), CODES),
        ("feature_dimension", config.get("feature_dimension"), _HEARD_FEATURES),
        ("feature_conv_kernel_size", config.get("feature_conv_kernel_size"), _TAPS),
        ("target", config.get("target", "error"), "error"),
        ("add_reference_phase", config.get("add_reference_phase", False), False),
        (
            "input_layout of features",
            {k: tuple(v) for k, v in features.items()} if isinstance(features, dict) else features,
            {"cepstrum": (0, PITCH), "pitch_corr": (PITCH, PITCH + 1)},
        ),
    )
    for name, value, supported in wanted:
        if value != supported:
            raise InputError(f"{path}: {name} {value} is not supported, only {supported}")
    if not isinstance(lookahead, int) or lookahead not in range(_SPAN + 1):
        raise InputError(f"{path}: feature_lookahead {lookahead} is not supported, only 0 to 4")
    if history != _SPAN - lookahead:
        raise InputError(
            f"{path}: feature_history {history} with feature_lookahead {lookahead} is not "
            f"supported: their sum is {_SPAN}"
        )
    gamma = config.get("lpc_gamma", 1.0)
    if not isinstance(gamma, int | float) or not 0 < gamma <= 1:
        raise InputError(f"{path}: lpc_gamma {gamma} is not supported, only above 0 up to 1")
    return Variant(lookahead, float(gamma), softmax=not config.get("hsampling", False))


def _order(config: Mapping[str, Any], path: Path) -> list[int]:
    """Where our three inputs lie among its own."""
    signals = config["input_layout"].get("signals")
    if not isinstance(signals, dict) or sorted(signals.values()) != [0, 1, 2]:
        raise InputError(f"{path}: input_layout of signals {signals} is not supported")
    missing = set(_SIGNALS) - set(signals)
    if missing:
        raise InputError(f"{path}: the network does not hear {', '.join(sorted(missing))}")
    return [signals[name] for name in _SIGNALS]


class _Weights:
    """The state_dict, each tensor checked as it is taken."""

    def __init__(self, weights: Mapping[str, Any], path: Path) -> None:
        self.weights = weights
        self.path = path

    def take(self, name: str, *shape: int | None) -> Tensor:
        """Return a tensor as float32; None fits any length."""
        found = self.weights.get(name)
        if not isinstance(found, Tensor):
            raise InputError(f"{self.path}: {name} is missing; is it another network?")
        fits = found.ndim == len(shape) and all(
            n in (None, m) for n, m in zip(shape, found.shape, strict=True)
        )
        if not fits or not found.is_floating_point() or not math.prod(found.shape):
            want = ", ".join("any" if n is None else str(n) for n in shape)
            raise InputError(
                f"{self.path}: {name} is {found.dtype}{list(found.shape)}, expected [{want}]"
            )
        if not torch.isfinite(found).all():
            raise InputError(f"{self.path}: {name} holds NaN or infinite weights")
        return found.float()


def _zrh(weight: Tensor) -> Tensor:
    r, z, n = weight.chunk(3)
    return torch.cat([z, r, n])


def _model(w: _Weights, order: list[int]) -> Lpcnet:
    periods = w.take("period_embedding.weight", None, None)
    if len(periods) <= MAX_PERIOD:
        raise InputError(f"{w.path}: periods up to {len(periods) - 1}, {MAX_PERIOD} are needed")
    shared = w.take("signal_embedding.weight", CODES, None)
    width = len(w.take("feature_dense1.bias", None))
    a = w.take("gru_a.weight_hh_l0", None, None).shape[1]
    b = w.take("gru_b.weight_hh_l0", None, None).shape[1]
    sizes = Sizes(width, a, b, pitch=periods.shape[1], embedding=shared.shape[1])
    into_a = _zrh(w.take("gru_a.weight_ih_l0", 3 * a, 3 * sizes.embedding + width))
    heard = [into_a[:, i * sizes.embedding : (i + 1) * sizes.embedding] for i in order]
    into_b = _zrh(w.take("gru_b.weight_ih_l0", 3 * b, a + width))
    halves = [
        (w.take(f"dual_fc.dense{i}.weight", CODES, b), w.take(f"dual_fc.dense{i}.bias", CODES))
        for i in (1, 2)
    ]
    scale = torch.cat([w.take("dual_fc.alpha", 1), w.take("dual_fc.beta", 1)])
    named = {
        "pitch.weight": periods[MIN_PERIOD : MAX_PERIOD + 1],
        "conv1.weight": _conv1(w, width, sizes.pitch),
        "conv2.weight": _columns(w.take("feature_conv2.weight", width, width, _TAPS)),
        "embedding": shared.repeat(3, 1, 1),
        "embedding_to_a": torch.stack([part.t() for part in heard]),
        "cond_to_a.weight": into_a[:, 3 * sizes.embedding :],
        "cond_to_a.bias": _zrh(w.take("gru_a.bias_ih_l0", 3 * a)),
        "a.weight": _zrh(w.take("gru_a.weight_hh_l0", 3 * a, a)),
        "a.bias": _zrh(w.take("gru_a.bias_hh_l0", 3 * a)),
        "a_to_b.weight": into_b[:, :a],
        "cond_to_b.weight": into_b[:, a:],
        "cond_to_b.bias": _zrh(w.take("gru_b.bias_ih_l0", 3 * b)),
        "b.weight": _zrh(w.take("gru_b.weight_hh_l0", 3 * b, b)),
        "b.bias": _zrh(w.take("gru_b.bias_hh_l0", 3 * b)),
        "tree_weight": torch.stack([weight for weight, _ in halves], 1),
        "tree_bias": torch.stack([bias for _, bias in halves], 1),
        "tree_scale": scale.repeat(CODES, 1),
    }
    for ours, theirs in (("conv1", "feature_conv1"), ("conv2", "feature_conv2")):
        named[f"{ours}.bias"] = w.take(f"{theirs}.bias", width)
    for ours, theirs in (("dense1", "feature_dense1"), ("dense2", "feature_dense2")):
        named[f"{ours}.weight"] = w.take(f"{theirs}.weight", width, width)
        named[f"{ours}.bias"] = w.take(f"{theirs}.bias", width)
    model = Lpcnet(sizes)
    model.load_state_dict(named)
    return model


def _columns(weight: Tensor) -> Tensor:
    """[out, in, taps] -> [out, taps * in], oldest tap first."""
    return weight.permute(0, 2, 1).reshape(len(weight), -1)


def _conv1(w: _Weights, width: int, pitch: int) -> Tensor:
    """Make room for the pitch feature, which these networks do not hear."""
    weight = w.take("feature_conv1.weight", width, _HEARD_FEATURES + pitch, _TAPS)
    cepstrum, rest = weight[:, :PITCH], weight[:, PITCH:]
    return _columns(torch.cat([cepstrum, torch.zeros_like(weight[:, :1]), rest], 1))
