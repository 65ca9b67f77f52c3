# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet checkpoints of xiph's torch training (dnn/torch/lpcnet in the Opus repository).

Such a file is a dict: `setup` is the whole training set-up, `state_dict` the weights. torch's GRUs
have the gates r, z, n where ours are z, r, h; the three inputs share one embedding; a bit of its
tree is 0 where ours is 1. These conversions are exact. Differences that cannot be folded into
weights (frames of look-ahead, a weighted predictor, a softmax over codes) become a Variant of the
float network.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quantize.errors import InputError
from quantize.features.floats import FEATURES, MAX_PERIOD, MIN_PERIOD, PITCH
from quantize.files.reading import file_bytes, shown
from quantize.networks.lpcnet import AFTER, BEFORE, CODES, FRAME, Lpcnet, Sizes
from quantize.networks.lpcnet_batch import Variant
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS

_SIGNALS = ("last_signal", "prediction", "last_error")  # in our order
_HEARD_FEATURES = FEATURES - 1  # the pitch goes in through its embedding alone
_TAPS = 3
_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_SPAN = BEFORE + AFTER  # frames beside its own that two convolutions of three taps see


@dataclass(frozen=True)
class Imported:
    """A network, its differences from ours, and its source."""

    model: Lpcnet
    variant: Variant
    source: dict[str, str]


def read_lpcnet_torch(path: Path) -> Imported:
    """Read a checkpoint; InputError names what is not supported if it cannot be mapped."""
    data = file_bytes(path, "give a checkpoint of xiph's LPCNet")
    found = _load(data, path)
    lpcnet = _table(_table(_table(found, path).get("setup"), path).get("lpcnet"), path)
    config, weights = _table(lpcnet.get("config"), path), _table(found.get("state_dict"), path)
    kind = lpcnet.get("model", "lpcnet")
    if not isinstance(kind, str) or kind != "lpcnet":
        raise InputError(f"{path}: model '{shown(kind)}' is not supported, only 'lpcnet'")
    variant = _variant(config, path)
    model = _model(_Weights(weights, path), _order(config, path))
    if not variant.softmax:
        with torch.no_grad():
            model.tree_scale.neg_()  # of the chance of a 1
    digest = hashlib.sha256(data).hexdigest()
    return Imported(model, variant, {"name": path.name, "kind": "xiph-torch", "sha256": digest})


def _load(data: bytes, path: Path) -> Any:
    """Return the contents of a checkpoint, plain types and tensors, which are not checked yet."""
    damaged = f"{path}: no torch checkpoint, or damaged"
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
            if size > len(data):  # torch stores its records as they are
                raise InputError(f"{damaged}: it claims {size} bytes, {len(data)} are there")
        with warnings.catch_warnings():  # of kinds of tensors that are refused anyway
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch raises many types for a damaged file
        raise InputError(f"{damaged} ({type(error).__name__})") from None


def _table(value: Any, path: Path) -> dict[Any, Any]:
    """Return a dict; raises InputError for anything else."""
    if not isinstance(value, dict):
        raise InputError(f"{path}: a torch checkpoint, but none of xiph's LPCNet")
    return value


def densities(model: Lpcnet) -> dict[str, float]:
    """Return the share of 8 x 4 blocks that are not zero, of each matrix that may be sparse."""
    rows, columns = BLOCK_ROWS, BLOCK_COLS
    found = {}
    for name, weight in (("gru_a_recurrent", model.a.weight), ("gru_b_input", model.a_to_b.weight)):
        if weight.shape[0] % rows == 0 and weight.shape[1] % columns == 0:
            blocks = weight.detach().reshape(len(weight) // rows, rows, -1, columns)
            found[name] = float((blocks != 0).any(3).any(1).float().mean())
    return found


def _variant(config: Mapping[str, Any], path: Path) -> Variant:
    """Return the differences that a Variant can express; refuse all others."""
    layout = config.get("input_layout")
    features = layout.get("features") if isinstance(layout, dict) else None
    if isinstance(features, dict):
        features = {name: _pair(span) for name, span in features.items()}
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
            features,
            {"cepstrum": (0, PITCH), "pitch_corr": (PITCH, PITCH + 1)},
        ),
    )
    for name, value, supported in wanted:
        # Types first: a tensor answers a comparison with a tensor.
        if type(value) is not type(supported) or value != supported:
            raise InputError(f"{path}: {name} {shown(value)} is not supported, only {supported}")
    if type(lookahead) is not int or lookahead not in range(_SPAN + 1):
        raise InputError(
            f"{path}: feature_lookahead {shown(lookahead)} is not supported, only 0 to {_SPAN}"
        )
    if type(history) is not int or history != _SPAN - lookahead:
        raise InputError(
            f"{path}: feature_history {shown(history)} with feature_lookahead {lookahead} is not "
            f"supported: their sum is {_SPAN}"
        )
    gamma, tree = config.get("lpc_gamma", 1.0), config.get("hsampling", False)
    if type(gamma) not in (int, float) or not 0 < gamma <= 1:
        raise InputError(f"{path}: lpc_gamma {shown(gamma)} is not supported, only above 0 up to 1")
    if type(tree) is not bool:
        raise InputError(f"{path}: hsampling {shown(tree)} is not supported, only True or False")
    return Variant(lookahead, float(gamma), softmax=not tree)


def _pair(span: Any) -> tuple[int, int] | None:
    """Return a span of features; None for anything but two integers."""
    if type(span) not in (list, tuple) or [type(end) for end in span] != [int, int]:
        return None
    return span[0], span[1]


def _order(config: Mapping[str, Any], path: Path) -> list[int]:
    """Return where our three inputs lie among those of the checkpoint."""
    signals = config["input_layout"].get("signals")
    places = list(signals.values()) if isinstance(signals, dict) else []
    if any(type(place) is not int for place in places) or sorted(places) != [0, 1, 2]:
        raise InputError(f"{path}: input_layout of signals {shown(signals)} is not supported")
    missing = set(_SIGNALS) - set(signals)
    if missing:
        raise InputError(f"{path}: the network does not hear {', '.join(sorted(missing))}")
    return [signals[name] for name in _SIGNALS]


class _Weights:
    """The state_dict; each tensor is checked when it is taken."""

    def __init__(self, weights: Mapping[str, Any], path: Path) -> None:
        self.weights = weights
        self.path = path

    def take(self, name: str, *shape: int | None) -> Tensor:
        """Return a tensor as float32; None fits any length.

        Raises InputError before the values are touched unless the tensor is plain, of a float type
        that is read, of this shape, and lies whole in the file.
        """
        found = self.weights.get(name)
        if not isinstance(found, Tensor):
            raise InputError(f"{self.path}: {name} is missing; is it another network?")
        kind = _odd_kind(found)
        if kind is not None:
            raise InputError(f"{self.path}: {name} is {kind}, expected a plain tensor of floats")
        fits = found.ndim == len(shape) and all(
            n in (None, m) for n, m in zip(shape, found.shape, strict=True)
        )
        if not fits or found.dtype not in _DTYPES or not math.prod(found.shape):
            want = ", ".join("any" if n is None else str(n) for n in shape)
            raise InputError(
                f"{self.path}: {name} is {found.dtype}{list(found.shape)}, expected [{want}] of "
                "float32, float16, bfloat16 or float64"
            )
        if found.numel() * found.element_size() > found.untyped_storage().nbytes():
            raise InputError(
                f"{self.path}: {name} is a view of {list(found.shape)} on "
                f"{found.untyped_storage().nbytes()} bytes, expected a tensor stored whole"
            )
        if not torch.isfinite(found).all() or not torch.isfinite(found.float()).all():
            raise InputError(f"{self.path}: {name} holds NaN or infinite weights")
        return found.detach().float()


def _odd_kind(tensor: Tensor) -> str | None:
    """Name the kind of a tensor whose values do not simply lie in memory."""
    if tensor.layout is not torch.strided or tensor.is_nested:
        return "a sparse or nested tensor"
    if tensor.device.type != "cpu":
        return f"a tensor of device {tensor.device.type}, without values"
    return "a quantised tensor" if tensor.is_quantized else None


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
    """Reshape [out, in, taps] to [out, taps * in], oldest tap first."""
    return weight.permute(0, 2, 1).reshape(len(weight), -1)


def _conv1(w: _Weights, width: int, pitch: int) -> Tensor:
    """Insert zeros for the pitch feature, which these networks do not take."""
    weight = w.take("feature_conv1.weight", width, _HEARD_FEATURES + pitch, _TAPS)
    cepstrum, rest = weight[:, :PITCH], weight[:, PITCH:]
    return _columns(torch.cat([cepstrum, torch.zeros_like(weight[:, :1]), rest], 1))
